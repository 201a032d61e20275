"""What is pulled from HubSpot: the settings, and a stream for every type of record. No requests here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field, model_validator

from connectors.base import Kind, Role, Stream, Target
from connectors.config import Duration, Name, Scale, Section, SourceSettings, SurveyType, requested_fields
from connectors.hubspot_writes import BATCH

SOURCE: Final = "hubspot"
PROPERTIES: Final = "$.properties."
MERGED: Final = "hs_merged_object_ids"
MERGED_INTO: Final = "mergedInto"  # not HubSpot's word: ours, in the delete of a record that was merged away

PropertyName = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9_]*$")]


class Tickets(Section):
    """Which properties of tickets hold NPS answers, if any do, and what these answers are about."""

    score: PropertyName | None = Field(
        None,
        description="Property of tickets that holds the score; without it tickets are landed and change no figure.",
    )
    scale: Scale | None = Field(None, description="The lowest and the highest score: [0, 10].")
    comment: PropertyName | None = Field(None, description="Property that holds the comment.")
    responded_at: PropertyName | None = Field(
        None, description="Property that holds when it was answered. Unless set: when a pull first saw the score."
    )
    survey: Name | None = Field(None, description="The survey that the answers belong to.")
    survey_type: SurveyType | None = Field(None, description="relational, transactional or unclassified.")
    channel: Name | None = Field(None, description="How the survey reached people, a standard term such as email.")
    touchpoint: Name | None = Field(None, description="What people were asked about, a standard term such as support.")

    @model_validator(mode="after")
    def _score_with_scale(self) -> Tickets:
        if (self.score is None) != (self.scale is None):
            raise ValueError("needs both score and scale, or neither of them")
        if self.score is None and self.model_fields_set:
            raise ValueError("says what answers are about, but not which property holds the score")
        return self


class HubSpotSettings(SourceSettings):
    """What is pulled from HubSpot: feedback submissions, contacts and companies; tickets and deals where asked for."""

    tickets: Tickets | None = Field(
        None,
        description="Tickets, and which of their properties hold NPS answers; {} pulls them without answers. The "
        "access token needs the scope to read tickets.",
    )
    deals: bool = Field(
        False,
        description="Whether deals are pulled too; they are landed and change no figure. The access token needs the "
        "scope to read deals.",
    )
    archived: Duration = Field(
        "1d",
        description="How often the whole list of archived records is read where it has more than 100; every pull reads "
        "the first 100.",
    )

    @property
    def archived_every(self) -> timedelta:
        """How old the last reading of the whole list of archived records may be."""
        return SourceSettings(overlap=self.archived).look_back


def _stream(name: str, role: Role, constants: Mapping[str, str], /, **properties: str) -> Stream:
    fields = {field: PROPERTIES + one for field, one in properties.items()}
    return Stream(SOURCE, name, role, fields | _linked(name), constants)


# Stream -> type of record that it is associated with -> property of the stream that names one of them, if there is one.
# A property may lack or be out of date, as after a merge: the association decides, and the property which of several.
ASSOCIATED: Final[Mapping[str, Mapping[str, str | None]]] = {
    "feedback_submissions": {"contacts": "hs_contact_id"},
    "contacts": {"companies": "associatedcompanyid"},
    "tickets": {"contacts": None, "companies": None},
    "deals": {"contacts": None, "companies": None},
}
_LINK: Final = {"contacts": "person_id", "companies": "account_id"}


def _linked(name: str) -> dict[str, str]:
    return {_LINK[other]: f"$.associations.{other}.results[0].id" for other in ASSOCIATED.get(name, ())}


def _merging(stream: Stream) -> Stream:
    """A stream of records that people merge: the one that is left lists the others, whose deletes name it."""
    merges = {"merged_ids": PROPERTIES + MERGED, "merged_into": f"$.{MERGED_INTO}"}
    return replace(stream, fields={**stream.fields, **merges})


_SCALE: Final = {"scale_min": "0", "scale_max": "10"}
_FEEDBACK: Final = _stream(
    "feedback_submissions",
    "response",
    {**_SCALE, "metric": "none", "responded_at_basis": "source", "person_stream": "contacts"},
    score="hs_value",
    comment="hs_content",
    responded_at="hs_submission_timestamp",
    survey="hs_survey_name",
    channel="hs_survey_channel",
    metric="hs_survey_type",
    email="hs_contact_email_rollup",
)
_CONTACTS: Final = _merging(
    _stream(
        "contacts",
        "person",
        {"account_stream": "companies", "cross_reference_to": "salesforce.Contact"},
        email="email",
        first_name="firstname",
        last_name="lastname",
        phone="phone",
        mobile_phone="mobilephone",
        country="country",
        cross_reference="salesforcecontactid",
    )
)
_COMPANIES: Final = _merging(
    _stream(
        "companies",
        "account",
        {"cross_reference_to": "salesforce.Account"},
        name="name",
        domain="domain",
        country="country",
        cross_reference="salesforceaccountid",
    )
)
_DEALS: Final = Stream(SOURCE, "deals", "event", {})
# What is asked for besides the mapped properties.
BESIDES: Final[Mapping[str, tuple[str, ...]]] = {
    "feedback_submissions": ("hs_contact_id",),
    "contacts": ("associatedcompanyid",),
    "companies": (),
    "tickets": (
        "createdate", "closed_date", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority",
        "source_type", MERGED,
    ),
    "deals": (
        "amount", "closedate", "createdate", "dealstage", "dealtype", "hs_is_closed", "hs_is_closed_won", "pipeline",
        MERGED,
    ),
}  # fmt: skip
# Properties that not every account has, or lets its integrations read: a pull goes on without them.
_NOT_EVERYWHERE: Final = (
    "salesforcecontactid", "salesforceaccountid", "hs_contact_email_rollup", "phone", "mobilephone", "country", MERGED,
)  # fmt: skip
_KINDS: Final[Mapping[str, Kind]] = {"score": "number", "category": "text", "responded_at": "datetime"}
CONTACT: Final = Target("contact", "contacts", PROPERTIES + "{field}", BATCH, _KINDS)


def declared_streams(settings: HubSpotSettings, written: Sequence[str]) -> Sequence[Stream]:
    """The streams of these settings; ``written`` are the properties of a contact that sync-back writes."""
    return (
        _FEEDBACK,
        replace(_CONTACTS, written={name: CONTACT.path.format(field=name) for name in written}),
        _COMPANIES,
        *([_tickets(settings.tickets)] if settings.tickets else []),
        *([_DEALS] if settings.deals else []),
    )


def _tickets(tickets: Tickets) -> Stream:
    if tickets.score is None:
        return Stream(SOURCE, "tickets", "event", {})
    about = tickets.model_dump(include={"survey", "survey_type", "channel", "touchpoint"}, exclude_none=True)
    properties = tickets.model_dump(include={"score", "comment", "responded_at"}, exclude_none=True)
    constants = {
        **_SCALE,
        "responded_at_basis": "source" if tickets.responded_at else "first_seen",
        "without_score": "not_nps",
        "person_stream": "contacts",
        "account_stream": "companies",
        **about,
    }
    return _stream("tickets", "response", constants, **properties)


def requested(stream: Stream) -> list[str]:
    """The properties to ask for: HubSpot serves only a few unasked."""
    mapped = requested_fields(stream.fields, PROPERTIES) + requested_fields(stream.written, PROPERTIES)
    return sorted({*mapped, *BESIDES[stream.name], modified(stream)})


def required(stream: Stream) -> list[str]:
    """The mapped properties without which a pull would land blanks where there were values."""
    return [name for name in requested_fields(stream.fields, PROPERTIES) if name not in _NOT_EVERYWHERE]


def modified(stream: Stream) -> str:
    """The property that search filters by; contacts alone have another name for it."""
    return "lastmodifieddate" if stream.name == "contacts" else "hs_lastmodifieddate"
