"""A HubSpot account on loopback: the CRM API v3 that a feedback connector needs."""
