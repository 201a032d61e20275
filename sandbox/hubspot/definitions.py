"""The object types of the HubSpot account and the properties they start with, declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PORTAL_ID = 44_000_001


@dataclass(frozen=True)
class ObjectType:
    """One object type: its names, its numeric type, what every answer carries, and who may read and write it."""

    name: str
    singular: str
    type_id: str
    created: str
    modified: str
    defaults: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    # association to another type: the property that holds its id, and the labels under which it is served
    associations: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


CONTACTS = ObjectType(
    "contacts",
    "CONTACT",
    "0-1",
    created="createdate",
    modified="lastmodifieddate",
    defaults=("email", "firstname", "lastname"),
    reads=("crm.objects.contacts.read",),
    writes=("crm.objects.contacts.write",),
    associations=(("companies", "associatedcompanyid", ("contact_to_company", "contact_to_company_unlabeled")),),
)
COMPANIES = ObjectType(
    "companies",
    "COMPANY",
    "0-2",
    created="createdate",
    modified="hs_lastmodifieddate",
    defaults=("domain", "name"),
    reads=("crm.objects.companies.read",),
    writes=("crm.objects.companies.write",),
)
FEEDBACK = ObjectType(
    "feedback_submissions",
    "FEEDBACK_SUBMISSION",
    "0-19",
    created="hs_createdate",
    modified="hs_lastmodifieddate",
    defaults=(),
    # either scope is enough
    reads=("crm.objects.feedback_submissions.read", "crm.objects.contacts.read"),
    associations=(("contacts", "hs_contact_id", ("feedback_submission_to_contact",)),),
)
OBJECT_TYPES = {kind.name: kind for kind in (CONTACTS, COMPANIES, FEEDBACK)}
PROPERTY_TYPES = ("string", "number", "date", "datetime", "enumeration", "bool", "phone_number")

NPS_GROUP = "nps"
GROUPS: dict[str, dict[str, str]] = {
    "contacts": {"contactinformation": "Contact information", NPS_GROUP: "Net Promoter Score"},
    "companies": {"companyinformation": "Company information"},
    "feedback_submissions": {"submissioninformation": "Submission information"},
}


def definition(  # noqa: D417  (the other parameters are the fields of the definition)
    name: str, label: str, kind: str = "string", *, group: str, options: tuple[str, ...] = (), read_only: bool = False
) -> dict[str, Any]:
    """A property as the properties API serves it.

    Args:
        name: Internal name.
        label: Name in the user interface.
    """
    field_types = {"number": "number", "datetime": "date", "enumeration": "select", "bool": "booleancheckbox"}
    return {
        "name": name,
        "label": label,
        "type": kind,
        "fieldType": field_types.get(kind, "text"),
        "description": "",
        "groupName": group,
        "options": [
            {"label": option.title(), "value": option, "displayOrder": order, "hidden": False}
            for order, option in enumerate(options)
        ],
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": False,
        "hasUniqueValue": name == "email",
        "hidden": False,
        "hubspotDefined": group != NPS_GROUP,
        "modificationMetadata": {
            "archivable": group == NPS_GROUP,
            "readOnlyDefinition": group != NPS_GROUP,
            "readOnlyValue": read_only,
        },
        "formField": True,
        "dataSensitivity": "non_sensitive",
    }


def initial_properties() -> dict[str, dict[str, dict[str, Any]]]:
    """Object type -> property name -> definition, for a fresh account."""
    return {
        "contacts": _by_name(
            definition("email", "Email", group="contactinformation"),
            definition("firstname", "First Name", group="contactinformation"),
            definition("lastname", "Last Name", group="contactinformation"),
            definition("company", "Company Name", group="contactinformation"),
            definition(
                "hs_language", "Preferred language", "enumeration", group="contactinformation", options=("de", "en")
            ),
            definition("lifecyclestage", "Lifecycle Stage", group="contactinformation"),
            definition("associatedcompanyid", "Primary Associated Company ID", "number", group="contactinformation"),
            definition("salesforcecontactid", "Salesforce Contact ID", group="contactinformation"),
            definition("nps_score", "NPS score", "number", group=NPS_GROUP),
            definition(
                "nps_category",
                "NPS category",
                "enumeration",
                group=NPS_GROUP,
                options=("promoter", "passive", "detractor"),
            ),
            definition("nps_responded_at", "NPS responded at", "datetime", group=NPS_GROUP),
            *_system_properties("contacts"),
        ),
        "companies": _by_name(
            definition("name", "Name", group="companyinformation"),
            definition("domain", "Company Domain Name", group="companyinformation"),
            definition("industry", "Industry", group="companyinformation"),
            definition("salesforceaccountid", "Salesforce Account ID", group="companyinformation"),
            *_system_properties("companies"),
        ),
        "feedback_submissions": _by_name(
            *(
                definition(name, label, kind, group="submissioninformation", read_only=True)
                for name, label, kind in FEEDBACK_PROPERTIES
            ),
            *_system_properties("feedback_submissions"),
        ),
    }


FEEDBACK_PROPERTIES = (
    ("hs_survey_id", "Survey ID", "number"),
    ("hs_survey_name", "Survey name", "string"),
    ("hs_survey_type", "Survey type", "string"),
    ("hs_survey_channel", "Survey channel", "string"),
    ("hs_value", "Rating", "number"),
    ("hs_content", "Response", "string"),
    ("hs_response_group", "Response group", "string"),
    ("hs_sentiment", "Sentiment", "string"),
    ("hs_submission_name", "Submission name", "string"),
    ("hs_submission_timestamp", "Date submitted", "datetime"),
    ("hs_ingestion_id", "Ingestion ID", "string"),
    ("hs_visitor_id", "Visitor ID", "string"),
    ("hs_contact_id", "Contact ID", "number"),
    ("hs_contact_email_rollup", "Contact email", "string"),
)


def _system_properties(object_type: str) -> tuple[dict[str, Any], ...]:
    kind = OBJECT_TYPES[object_type]
    group = next(iter(GROUPS[object_type]))
    return (
        definition("hs_object_id", "Record ID", "number", group=group, read_only=True),
        definition(kind.created, "Create Date", "datetime", group=group, read_only=True),
        definition(kind.modified, "Last Modified Date", "datetime", group=group, read_only=True),
    )


def _by_name(*definitions: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in definitions}
