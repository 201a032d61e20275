"""The object types of the HubSpot account and the properties they start with, declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PORTAL_ID = 44_000_001


@dataclass(frozen=True)
class Association:
    """How records of one type are associated with those of another.

    ``named_in`` is the property that names one of them, '' for none; ``types`` are the id, the name and the label of
    each type of association, that of the primary record first where there is one, which only one record can be.
    """

    other: str
    named_in: str
    types: tuple[tuple[int, str, str | None], ...]


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
    associations: tuple[Association, ...] = ()


CONTACTS = ObjectType(
    "contacts",
    "CONTACT",
    "0-1",
    created="createdate",
    modified="lastmodifieddate",
    defaults=("email", "firstname", "lastname"),
    reads=("crm.objects.contacts.read",),
    writes=("crm.objects.contacts.write",),
    associations=(
        Association(
            "companies",
            "associatedcompanyid",
            ((1, "contact_to_company", "Primary"), (279, "contact_to_company_unlabeled", None)),
        ),
    ),
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
    associations=(Association("contacts", "hs_contact_id", ((98, "feedback_submission_to_contact", None),)),),
)
TICKETS = ObjectType(
    "tickets",
    "TICKET",
    "0-5",
    created="createdate",
    modified="hs_lastmodifieddate",
    defaults=("content", "hs_pipeline", "hs_pipeline_stage", "subject"),
    reads=("tickets",),
    associations=(
        Association("contacts", "", ((16, "ticket_to_contact", None),)),
        Association(
            "companies", "", ((26, "ticket_to_company", "Primary"), (339, "ticket_to_company_unlabeled", None))
        ),
    ),
)
DEALS = ObjectType(
    "deals",
    "DEAL",
    "0-3",
    created="createdate",
    modified="hs_lastmodifieddate",
    defaults=("amount", "closedate", "dealname", "dealstage", "pipeline"),
    reads=("crm.objects.deals.read",),
    associations=(
        Association("contacts", "", ((3, "deal_to_contact", None),)),
        Association("companies", "", ((5, "deal_to_company", "Primary"), (341, "deal_to_company_unlabeled", None))),
    ),
)
OBJECT_TYPES = {kind.name: kind for kind in (CONTACTS, COMPANIES, FEEDBACK, TICKETS, DEALS)}
PROPERTY_TYPES = ("string", "number", "date", "datetime", "enumeration", "bool", "phone_number")

NPS_GROUP = "nps"
GROUPS: dict[str, dict[str, str]] = {
    "contacts": {"contactinformation": "Contact information", NPS_GROUP: "Net Promoter Score"},
    "companies": {"companyinformation": "Company information"},
    "feedback_submissions": {"submissioninformation": "Submission information"},
    "tickets": {"ticketinformation": "Ticket information", NPS_GROUP: "Net Promoter Score"},
    "deals": {"dealinformation": "Deal information"},
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
            definition("phone", "Phone Number", group="contactinformation"),
            definition("mobilephone", "Mobile Phone Number", group="contactinformation"),
            definition("country", "Country/Region", group="contactinformation"),
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
            definition("country", "Country/Region", group="companyinformation"),
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
        "tickets": _by_name(
            *(definition(name, label, kind, group="ticketinformation") for name, label, kind in TICKET_PROPERTIES),
            definition("nps_rating", "NPS rating", "number", group=NPS_GROUP),
            definition("nps_reason", "NPS reason", group=NPS_GROUP),
            definition("nps_rated_at", "NPS rated at", "datetime", group=NPS_GROUP),
            *_system_properties("tickets"),
        ),
        "deals": _by_name(
            *(definition(name, label, kind, group="dealinformation") for name, label, kind in DEAL_PROPERTIES),
            *_system_properties("deals"),
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
TICKET_PROPERTIES = (
    ("subject", "Ticket name", "string"),
    ("content", "Ticket description", "string"),
    ("hs_pipeline", "Pipeline", "string"),
    ("hs_pipeline_stage", "Ticket status", "string"),
    ("hs_ticket_category", "Category", "string"),
    ("hs_ticket_priority", "Priority", "string"),
    ("source_type", "Source", "string"),
    ("closed_date", "Close date", "datetime"),
)
DEAL_PROPERTIES = (
    ("dealname", "Deal Name", "string"),
    ("amount", "Amount", "number"),
    ("closedate", "Close Date", "datetime"),
    ("dealstage", "Deal Stage", "string"),
    ("dealtype", "Deal Type", "string"),
    ("hs_is_closed", "Is Deal Closed?", "bool"),
    ("hs_is_closed_won", "Is Closed Won", "bool"),
    ("pipeline", "Pipeline", "string"),
)


def _system_properties(object_type: str) -> tuple[dict[str, Any], ...]:
    kind = OBJECT_TYPES[object_type]
    group = next(iter(GROUPS[object_type]))
    return (
        definition("hs_object_id", "Record ID", "number", group=group, read_only=True),
        definition("hs_merged_object_ids", "Merged object IDs", "enumeration", group=group, read_only=True),
        definition(kind.created, "Create Date", "datetime", group=group, read_only=True),
        definition(kind.modified, "Last Modified Date", "datetime", group=group, read_only=True),
    )


def _by_name(*definitions: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in definitions}
