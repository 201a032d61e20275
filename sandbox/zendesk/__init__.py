"""A Zendesk account on loopback: the Support API v2 that a feedback connector needs."""
