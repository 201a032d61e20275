"""How each CRM says that a limit is reached or a session is over, for faults on request. No state here."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.faults import PAGE_OF_A_GATEWAY
from sandbox.hubspot import answers as hubspot
from sandbox.salesforce import answers as salesforce
from sandbox.web import Refusal
from sandbox.zendesk import shapes as zendesk


def _zendesk_limit(headers: Mapping[str, str]) -> Refusal:
    body = {"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"}
    return Refusal(429, body, headers)


# CRM -> kind of fault -> refusal. The API of Salesforce has no 429, only what stands before it has; Zendesk has no
# limit by day, so it asks for an hour there.
REFUSALS: Mapping[str, Mapping[str, Refusal]] = {
    "salesforce": {
        "too_many": Refusal(429, PAGE_OF_A_GATEWAY),
        "daily_limit": salesforce.refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        "expired_session": salesforce.no_session(),
    },
    "hubspot": {
        "too_many": hubspot.rate_limited("TEN_SECONDLY_ROLLING"),
        "daily_limit": hubspot.rate_limited("DAILY"),
        "expired_session": hubspot.unauthenticated(),
    },
    "zendesk": {
        "too_many": _zendesk_limit({}),
        "daily_limit": _zendesk_limit({"Retry-After": "3600"}),
        "expired_session": zendesk.unauthenticated(),
    },
}
