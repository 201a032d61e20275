"""What is pulled from Salesforce: the settings, and a stream for every object. No requests here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final

from pydantic import Field, model_validator

from connectors.base import Role, Stream, Target
from connectors.config import Name, Scale, Section, SourceSettings, SurveyType
from connectors.errors import ConfigError
from connectors.salesforce_login import TITLE

BATCH: Final = 200
NAME: Final = "[A-Za-z][A-Za-z0-9_]*"
COLUMN: Final = rf"{NAME}(\.{NAME})?"

ObjectName = Annotated[str, Field(pattern=f"^{NAME}$")]
FieldName = Annotated[str, Field(pattern=f"^{COLUMN}$")]


class FromField(Section):
    """What is read from a field of each record."""

    field: FieldName = Field(description="API name of the field.")


class NpsObject(Section):
    """A custom object whose records are NPS answers. Texts are constants; {field: NAME} reads a field."""

    object: ObjectName = Field(description="API name of the object, such as NPS_Response__c.")
    score: FieldName = Field(description="Field of the score.")
    scale: Scale = Field(description="Lowest and highest score: [0, 10].")
    comment: FieldName | None = Field(None, description="Field of the comment.")
    responded_at: FieldName = Field("CreatedDate", description="Field of the time of the answer.")
    contact: FieldName | None = Field(None, description="Field that refers to the contact who answered.")
    account: FieldName | None = Field(None, description="Field that refers to the account.")
    survey: Name | FromField | None = Field(None, description="Name of the survey.")
    survey_type: SurveyType | FromField | None = Field(None, description="relational or transactional.")
    channel: Name | FromField | None = Field(None, description="How it was asked, such as email or phone.")
    touchpoint: Name | FromField | None = Field(None, description="What it was about, such as support.")
    language: Name | FromField | None = Field(None, description="Language of the comment, such as de.")


class SalesforceSettings(SourceSettings):
    """What is pulled from Salesforce."""

    surveys: bool = Field(True, description="Whether Salesforce Surveys are pulled; false where there are none.")
    nps_objects: tuple[NpsObject, ...] = Field((), description="Custom objects whose records are NPS answers.")
    account_segment: FieldName | None = Field(None, description="Field of Account that holds its segment.")
    leads: bool = Field(
        False, description="Whether leads are pulled too, as people; a converted one is the contact that it became."
    )
    cases: bool = Field(False, description="Whether cases are pulled too; they are landed and change no figure.")
    opportunities: bool = Field(
        False,
        description="Whether opportunities, open and closed, are pulled too; they are landed and change no figure.",
    )
    bulk_above: int = Field(
        20_000,
        ge=0,
        description="A pull of more records than this, and of changes than a page of REST has, goes through the Bulk "
        "API 2.0 instead of REST.",
    )

    @model_validator(mode="after")
    def _every_object_once(self) -> SalesforceSettings:
        names = [stream.name.lower() for stream in (*SURVEYS, CONTACT, ACCOUNT, *OPTIONAL.values())]
        for one in self.nps_objects:
            if one.object.lower() in names:
                raise ValueError(f"{one.object} is pulled already; nps_objects are custom objects, each named once")
            names.append(one.object.lower())
        return self


def _stream(name: str, role: Role, fields: Mapping[str, str], **constants: str) -> Stream:
    paths = {conformed: f"$.{column}" for conformed, column in fields.items()}
    return Stream(source="salesforce", name=name, role=role, fields=paths, constants=constants)


ON_SCALE: Final = {"scale_min": "0", "scale_max": "10", "responded_at_basis": "source"}
SURVEYS: Final = (
    _stream(
        "SurveyQuestionResponse",
        "response",
        {
            "score": "NumberValue",
            "comment": "ResponseShortText",
            "question_id": "QuestionId",
            "answer_id": "ResponseId",
            "invitation_id": "InvitationId",
        },
        **ON_SCALE,
    ),
    _stream(
        "SurveyResponse",
        "reference",
        {
            "status": "Status",
            "completed_at": "CompletionDateTime",
            "language": "Language",
            "person_id": "SubmitterId",
            "invitation_id": "InvitationId",
            "survey_id": "SurveyId",
        },
        person_stream="Contact",
    ),
    _stream("SurveyQuestion", "reference", {"name": "QuestionName", "kind": "QuestionType"}),
    _stream(
        "SurveySubject",
        "reference",
        {"kind": "SubjectEntityType", "parent_id": "ParentId", "subject_id": "SubjectId"},
    ),
    _stream("Survey", "reference", {"name": "Name"}),
    _stream(
        "SurveyInvitation",
        "invitation",
        {"invited_at": "CreatedDate", "person_id": "ContactId", "survey_id": "SurveyId", "is_link": "IsDefault"},
        person_stream="Contact",
        response_stream="SurveyQuestionResponse",
    ),
)
CONTACT: Final = _stream(
    "Contact",
    "person",
    {
        "email": "Email",
        "display_name": "Name",
        "first_name": "FirstName",
        "last_name": "LastName",
        "phone": "Phone",
        "mobile_phone": "MobilePhone",
        "country": "MailingCountry",
        "account_id": "AccountId",
        "merged_into": "MasterRecordId",
    },
    account_stream="Account",
)
ACCOUNT: Final = _stream(
    "Account",
    "account",
    {
        "name": "Name",
        "website": "Website",
        "country": "BillingCountry",
        "owner": "Owner.Name",
        "merged_into": "MasterRecordId",
    },
)
# A converted lead lives on in a contact, so it is the same person.
LEAD: Final = _stream(
    "Lead",
    "person",
    {
        "email": "Email",
        "display_name": "Name",
        "first_name": "FirstName",
        "last_name": "LastName",
        "phone": "Phone",
        "mobile_phone": "MobilePhone",
        "country": "Country",
        "cross_reference": "ConvertedContactId",
        "merged_into": "MasterRecordId",
    },
    cross_reference_to="salesforce.Contact",
)
# Key of the settings -> the stream that it switches on. An opportunity that is opened again must be seen, too.
OPTIONAL: Final = {
    "leads": LEAD,
    "cases": _stream("Case", "event", {}),
    "opportunities": _stream("Opportunity", "event", {}),
}
# What is asked for where the user may see it, mapped or not: object -> fields. MasterRecordId is the record that was
# kept when this one was merged into it; only deleted records have one.
BESIDES: Final[Mapping[str, tuple[str, ...]]] = {
    "Contact": ("MasterRecordId", "Phone", "MobilePhone", "MailingCountry"),
    "Account": ("MasterRecordId", "BillingCountry"),
    "Lead": (
        "MasterRecordId", "Phone", "MobilePhone", "Country", "IsConverted", "ConvertedAccountId", "ConvertedDate",
        "Status",
    ),
    "Case": (
        "CaseNumber", "ContactId", "AccountId", "ParentId", "MasterRecordId", "Status", "Origin", "Priority", "Type",
        "Reason", "IsClosed", "CreatedDate", "ClosedDate",
    ),
    "Opportunity": (
        "AccountId", "StageName", "LastStageChangeDate", "Type", "IsClosed", "IsWon", "CloseDate", "Amount",
        "CreatedDate",
    ),
}  # fmt: skip
TARGET: Final = Target(
    name="contact",
    stream=CONTACT.name,
    path="$.{field}",
    batch_size=BATCH,
    kinds={"score": "number", "category": "text", "responded_at": "datetime"},
)
# Conformed field -> key of an NPS object in nps.yaml that names a field.
PLACES: Final = {
    "score": "score",
    "comment": "comment",
    "responded_at": "responded_at",
    "person_id": "contact",
    "account_id": "account",
}
CONSTANT_OR_FIELD: Final = ("survey", "survey_type", "channel", "touchpoint", "language")
REFERENCES: Final = {"person_stream": CONTACT.name, "account_stream": ACCOUNT.name}


def _nps_stream(declared: NpsObject) -> Stream:
    said = {name: getattr(declared, name) for name in CONSTANT_OR_FIELD}
    fields = {conformed: getattr(declared, key) for conformed, key in PLACES.items() if getattr(declared, key)}
    fields |= {name: value.field for name, value in said.items() if isinstance(value, FromField)}
    constants = {name: value for name, value in said.items() if isinstance(value, str)}
    return _stream(declared.object, "response", fields, **ON_SCALE, **REFERENCES, **constants)


def declared_streams(settings: SalesforceSettings, written: Sequence[str]) -> Sequence[Stream]:
    """The streams of these settings; ``written`` are the fields of a contact that sync-back writes."""
    segment = {"segment": f"$.{settings.account_segment}"} if settings.account_segment else {}
    return (
        *(SURVEYS if settings.surveys else ()),
        replace(CONTACT, written={name: f"$.{identifier(name)}" for name in written}),
        replace(ACCOUNT, fields={**ACCOUNT.fields, **segment}),
        *(stream for key, stream in OPTIONAL.items() if getattr(settings, key)),
        *map(_nps_stream, settings.nps_objects),
    )


def identifier(name: str) -> str:
    """A name that may stand in a query. Raises ``ConfigError`` for anything else."""
    if not re.fullmatch(COLUMN, name):
        raise ConfigError(f"'{name}' is no API name of {TITLE}; correct it in nps.yaml.")
    return name
