"""HubSpot's streams: what is pulled, where each field sits, and what receives scores. No request is made here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connectors.base import Kind, Role, Stream, Target
from connectors.config import SourceSettings

SOURCE: Final = "hubspot"
PROPERTIES: Final = "$.properties."
BATCH: Final = 100  # the most records of one batch


def _stream(name: str, role: Role, constants: Mapping[str, str], /, **properties: str) -> Stream:
    return Stream(SOURCE, name, role, {field: PROPERTIES + one for field, one in properties.items()}, constants)


_SCALE: Final = {"scale_min": "0", "scale_max": "10"}
_KINDS: Final[Mapping[str, Kind]] = {"score": "number", "category": "text", "responded_at": "datetime"}
CONTACT: Final = Target("contact", "contacts", PROPERTIES + "{field}", BATCH, _KINDS)
STREAMS: Final = (
    _stream(
        "feedback_submissions",
        "response",
        {**_SCALE, "metric": "none", "responded_at_basis": "source", "person_stream": "contacts"},
        score="hs_value",
        comment="hs_content",
        responded_at="hs_submission_timestamp",
        survey="hs_survey_name",
        channel="hs_survey_channel",
        metric="hs_survey_type",
        person_id="hs_contact_id",
        email="hs_contact_email_rollup",
    ),
    _stream(
        "contacts",
        "person",
        {"account_stream": "companies", "cross_reference_to": "salesforce.Contact"},
        email="email",
        first_name="firstname",
        last_name="lastname",
        account_id="associatedcompanyid",
        cross_reference="salesforcecontactid",
    ),
    _stream(
        "companies",
        "account",
        {"cross_reference_to": "salesforce.Account"},
        name="name",
        domain="domain",
        cross_reference="salesforceaccountid",
    ),
)


class HubSpotSettings(SourceSettings):
    """What is pulled from HubSpot: feedback submissions, contacts and companies."""
