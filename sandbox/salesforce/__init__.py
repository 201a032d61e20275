"""A Salesforce organisation on loopback: the REST API that a feedback connector needs."""
