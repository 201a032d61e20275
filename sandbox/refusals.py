"""How each CRM says that a limit is reached or a session is over, for faults on request. No state here."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.faults import PAGE_OF_A_GATEWAY
from sandbox.hubspot import answers as hubspot
from sandbox.salesforce import answers as salesforce
from sandbox.web import Refusal
from sandbox.zendesk import shapes as zendesk

# CRM -> kind of fault -> refusal. The API of Salesforce has no 429, only what stands before it has; Zendesk has no
# limit by day, so it asks for an hour there.
REFUSALS: Mapping[str, Mapping[str, Refusal]] = {
    "salesforce": {
        "too_many": Refusal(429, PAGE_OF_A_GATEWAY),
        "daily_limit": salesforce.no_calls_left(),
        "expired_session": salesforce.no_session(),
    },
    "hubspot": {
        "too_many": hubspot.limit_reached("TEN_SECONDLY_ROLLING"),
        "daily_limit": hubspot.limit_reached("DAILY"),
        "expired_session": hubspot.unauthenticated(),
    },
    "zendesk": {
        "too_many": zendesk.limit_reached({}),
        "daily_limit": zendesk.limit_reached({"Retry-After": "3600"}),
        "expired_session": zendesk.unauthenticated(),
    },
}
