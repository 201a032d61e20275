"""The objects and fields of the Salesforce organisation, declared. Field names are those of the object reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SECTIONS = {
    "string": 255,
    "textarea": 32_768,
    "email": 80,
    "phone": 40,
    "url": 255,
    "picklist": 255,
    "id": 18,
    "reference": 18,
}
UNSORTED = ("textarea", "address")  # types of fields that can stand neither in a condition nor in ORDER BY
SOAP_TYPES = {
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "datetime": "xsd:dateTime",
    "id": "tns:ID",
    "reference": "tns:ID",
    "address": "urn:address",
}


@dataclass(frozen=True)
class Field:
    """One field. ``to`` are the objects a reference points at, ``relationship`` its name in a query."""

    name: str
    kind: str = "string"
    to: tuple[str, ...] = ()
    relationship: str | None = None
    writable: bool = False
    required: bool = False
    external_id: bool = False
    options: tuple[str, ...] = ()

    @property
    def custom(self) -> bool:
        """Whether the organisation added it."""
        return self.name.endswith("__c")

    def described(self) -> dict[str, Any]:
        """The field as describe serves it."""
        return {
            "name": self.name,
            "label": self.name.removesuffix("__c").replace("_", " "),
            "type": self.kind,
            "soapType": SOAP_TYPES.get(self.kind, "xsd:string"),
            "length": SECTIONS.get(self.kind, 0),
            "precision": 18 if self.kind == "double" else 0,
            "scale": 1 if self.kind == "double" else 0,
            "nillable": not self.required and self.kind not in ("id", "boolean"),
            "createable": self.writable,
            "updateable": self.writable,
            "custom": self.custom,
            "calculated": False,
            "externalId": self.external_id,
            "unique": self.external_id,
            "idLookup": self.external_id or self.kind == "id",
            "filterable": self.kind not in UNSORTED,
            "sortable": self.kind not in UNSORTED,
            "groupable": self.kind not in (*UNSORTED, "double", "datetime"),
            "restrictedPicklist": bool(self.options),
            "picklistValues": [
                {"active": True, "defaultValue": False, "label": option, "validFor": None, "value": option}
                for option in self.options
            ],
            "referenceTo": list(self.to),
            "relationshipName": self.relationship,
        }


@dataclass(frozen=True)
class SObject:
    """One object; ``creatable`` and ``updatable`` say what the API may do with its records."""

    name: str
    prefix: str
    fields: tuple[Field, ...]
    creatable: bool = False
    updatable: bool = False
    _by_name: dict[str, Field] = field(default_factory=dict, compare=False)
    _by_relationship: dict[str, Field] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        self._by_name.update({one.name.lower(): one for one in self.fields})
        self._by_relationship.update({one.relationship.lower(): one for one in self.fields if one.relationship})

    def find_field(self, name: str) -> Field | None:
        """A field by its name in any case."""
        return self._by_name.get(name.lower())

    def find_reference(self, relationship: str) -> Field | None:
        """The reference field behind a relationship name."""
        return self._by_relationship.get(relationship.lower())

    def summary(self) -> dict[str, Any]:
        """The object as the list of all objects serves it."""
        return {
            "name": self.name,
            "label": self.name.removesuffix("__c").replace("_", " "),
            "keyPrefix": self.prefix,
            "custom": self.name.endswith("__c"),
            "createable": self.creatable,
            "updateable": self.updatable,
            "deletable": self.updatable,
            "queryable": True,
            "retrieveable": True,
            "replicateable": True,
            "searchable": False,
        }

    def described(self) -> dict[str, Any]:
        """The object as describe serves it."""
        return self.summary() | {"fields": [one.described() for one in self.fields], "childRelationships": []}


def _reference(name: str, *to: str, writable: bool = False) -> Field:
    relationship = name.replace("__c", "__r") if name.endswith("__c") else name.removesuffix("Id")
    return Field(name, "reference", to, relationship, writable=writable)


SYSTEM_FIELDS = (
    Field("Id", "id"),
    Field("IsDeleted", "boolean"),
    Field("CreatedDate", "datetime"),
    Field("LastModifiedDate", "datetime"),
    Field("SystemModstamp", "datetime"),
)
STATUSES = ("NotStarted", "Started", "Paused", "PartiallyCompleted", "Completed")
CATEGORIES = ("Promoter", "Passive", "Detractor")


def _sobject(name: str, prefix: str, *fields: Field, creatable: bool = False, updatable: bool = False) -> SObject:
    return SObject(name, prefix, SYSTEM_FIELDS + fields, creatable=creatable, updatable=updatable)


_ALL = (
    _sobject("User", "005", Field("Name"), Field("Username"), Field("Email", "email"), Field("IsActive", "boolean")),
    _sobject(
        "Account",
        "001",
        Field("Name", writable=True, required=True),
        Field("Website", "url", writable=True),
        Field("Industry", "string", writable=True),
        Field("Type", "string", writable=True),
        Field("Segment__c", writable=True),
        Field("BillingCountry", writable=True),
        Field("BillingAddress", "address"),
        _reference("OwnerId", "User", writable=True),
        _reference("MasterRecordId", "Account"),
        updatable=True,
    ),
    _sobject(
        "Contact",
        "003",
        Field("Name"),
        Field("FirstName", writable=True),
        Field("LastName", writable=True, required=True),
        Field("Email", "email", writable=True),
        Field("Phone", "phone", writable=True),
        Field("MobilePhone", "phone", writable=True),
        Field("MailingCountry", writable=True),
        _reference("AccountId", "Account", writable=True),
        Field("Customer_Number__c", writable=True, external_id=True),
        Field("NPS_Score__c", "double", writable=True),
        Field("NPS_Category__c", "picklist", writable=True, options=CATEGORIES),
        Field("NPS_Responded_At__c", "datetime", writable=True),
        _reference("OwnerId", "User", writable=True),
        _reference("MasterRecordId", "Contact"),
        creatable=True,
        updatable=True,
    ),
    _sobject(
        "Lead",
        "00Q",
        Field("Name"),
        Field("FirstName", writable=True),
        Field("LastName", writable=True, required=True),
        Field("Company", writable=True, required=True),
        Field("Email", "email", writable=True),
        Field("Phone", "phone", writable=True),
        Field("MobilePhone", "phone", writable=True),
        Field("Country", writable=True),
        Field("Status", "picklist", writable=True),
        Field("IsConverted", "boolean"),
        Field("ConvertedDate", "date"),
        _reference("ConvertedContactId", "Contact"),
        _reference("ConvertedAccountId", "Account"),
        _reference("OwnerId", "User", writable=True),
        _reference("MasterRecordId", "Lead"),
        creatable=True,
        updatable=True,
    ),
    _sobject(
        "Case",
        "500",
        Field("CaseNumber"),
        Field("Subject", writable=True),
        Field("Status", "picklist", writable=True),
        Field("Origin", "picklist", writable=True),
        Field("IsClosed", "boolean"),
        Field("ClosedDate", "datetime"),
        _reference("ContactId", "Contact", writable=True),
        _reference("AccountId", "Account", writable=True),
        _reference("OwnerId", "User", writable=True),
        _reference("MasterRecordId", "Case"),
        creatable=True,
        updatable=True,
    ),
    _sobject(
        "Opportunity",
        "006",
        Field("Name", writable=True, required=True),
        Field("StageName", "picklist", writable=True, required=True),
        Field("LastStageChangeDate", "datetime"),
        Field("CloseDate", "date", writable=True, required=True),
        Field("Amount", "currency", writable=True),
        Field("IsClosed", "boolean"),
        Field("IsWon", "boolean"),
        _reference("AccountId", "Account", writable=True),
        _reference("OwnerId", "User", writable=True),
        creatable=True,
        updatable=True,
    ),
    _sobject(
        "Survey",
        "0Kd",
        Field("Name"),
        Field("DeveloperName"),
        Field("SurveyType", "picklist"),
        _reference("ActiveVersionId", "SurveyVersion"),
    ),
    _sobject(
        "SurveyVersion",
        "0Kv",
        Field("Name"),
        _reference("SurveyId", "Survey"),
        Field("VersionNumber", "int"),
        Field("SurveyStatus", "picklist"),
    ),
    _sobject(
        "SurveyQuestion",
        "0Ku",
        Field("Name"),
        Field("DeveloperName"),
        Field("QuestionName", "textarea"),
        Field("QuestionType", "picklist"),
        Field("QuestionOrder", "int"),
        Field("IsDeprecated", "boolean"),
        _reference("SurveyVersionId", "SurveyVersion"),
    ),
    _sobject(
        "SurveyInvitation",
        "0Ki",
        Field("Name"),
        _reference("SurveyId", "Survey"),
        _reference("ParticipantId", "Contact", "User"),
        _reference("ContactId", "Contact"),
        Field("ResponseStatus", "picklist", options=STATUSES),
        Field("IsDefault", "boolean"),
        Field("InviteExpiryDateTime", "datetime"),
        Field("OptionsAllowGuestUserResponse", "boolean"),
        Field("OptionsCollectAnonymousResponse", "boolean"),
        Field("UUID"),
        _reference("OwnerId", "User"),
    ),
    _sobject(
        "SurveyResponse",
        "0Ks",
        Field("Name"),
        _reference("SurveyId", "Survey"),
        _reference("SurveyVersionId", "SurveyVersion"),
        _reference("InvitationId", "SurveyInvitation"),
        _reference("SubmitterId", "Contact", "User"),
        Field("Status", "picklist", options=STATUSES),
        Field("CompletionDateTime", "datetime"),
        Field("Language", "picklist"),
        Field("InterviewGuid"),
        Field("IpAddress"),
    ),
    _sobject(
        "SurveyQuestionResponse",
        "0Kr",
        _reference("QuestionId", "SurveyQuestion"),
        _reference("ResponseId", "SurveyResponse"),
        _reference("InvitationId", "SurveyInvitation"),
        _reference("SurveyVersionId", "SurveyVersion"),
        Field("Datatype", "picklist"),
        Field("NumberValue", "int"),
        Field("DateValue", "date"),
        Field("DateTimeValue", "datetime"),
        Field("ChoiceValue", "textarea"),
        Field("ResponseShortText"),
        Field("ResponseValue", "textarea"),
        Field("IsTrueOrFalse", "boolean"),
    ),
    _sobject(
        "SurveySubject",
        "0Kz",
        Field("Name"),
        _reference("ParentId", "SurveyInvitation", "SurveyResponse"),
        _reference("SurveyInvitationId", "SurveyInvitation"),
        _reference("SurveyResponseId", "SurveyResponse"),
        _reference("SurveyId", "Survey"),
        _reference("SubjectId", "Account", "Contact"),
        Field("SubjectEntityType", "picklist"),
    ),
    _sobject(
        "NPS_Response__c",
        "a01",
        Field("Name"),
        Field("Score__c", "double", writable=True),
        Field("Comment__c", "textarea", writable=True),
        _reference("Contact__c", "Contact", writable=True),
        _reference("Account__c", "Account", writable=True),
        Field("Responded_At__c", "datetime", writable=True),
        Field("Survey__c", writable=True),
        Field("Survey_Type__c", "picklist", writable=True),
        Field("Channel__c", "picklist", writable=True),
        Field("Touchpoint__c", "picklist", writable=True),
        Field("Language__c", writable=True),
        Field("External_Id__c", writable=True, external_id=True),
        _reference("OwnerId", "User", writable=True),
        creatable=True,
        updatable=True,
    ),
)
SOBJECTS = {one.name: one for one in _ALL}


def find_sobject(name: str) -> SObject | None:
    """An object by its name in any case."""
    return next((one for one in _ALL if one.name.lower() == name.lower()), None)
