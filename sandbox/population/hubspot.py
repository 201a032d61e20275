"""Fills the HubSpot account: companies, contacts, feedback submissions, a few tickets and deals. Values are text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sandbox.population import surveys
from sandbox.population.build import TruthBook
from sandbox.population.model import Answer, Company, Person
from sandbox.population.truth import RecordRef
from sandbox.store import Record

FIRST_IDS = {"companies": 80_100_000_001, "contacts": 90_100_000_001, "feedback_submissions": 70_100_000_001}
STEPS = {"companies": 3, "contacts": 7, "feedback_submissions": 5}
EVENTS = {"tickets": 60_100_000_001, "deals": 50_100_000_001}  # first ids
EVENTS_OF_EACH = 12
SURVEY_IDS = {"hubspot-loyalty": "101", "hubspot-purchase": "102", "hubspot-csat": "103"}
CHANNELS = {"email": "EMAIL", "web": "WEB"}
GROUPS = ("DETRACTOR", "PASSIVE", "PROMOTER")


class HubSpotBuilder:
    """Builds the tables record by record and writes the truth beside them."""

    def __init__(self, random: Random, book: TruthBook, start: datetime) -> None:
        self._random = random
        self._book = book
        self._start = start
        self.tables: dict[str, list[Record]] = {name: [] for name in (*FIRST_IDS, *EVENTS)}

    def build(self, companies: Iterable[Company], people: Iterable[Person], answers: Iterable[Answer]) -> None:
        """Add everything that HubSpot knows; Salesforce has to be built before, its ids are stored here."""
        for company in companies:
            if "hubspot" in company.systems:
                self._company(company)
        for person in people:
            if "hubspot" in person.mailboxes:
                self._contact(person)
        for answer in answers:
            if answer.survey.stream == surveys.HUBSPOT_STREAM:
                self.submission(answer)
        for number, contact in enumerate(self.tables["contacts"][:EVENTS_OF_EACH]):
            self._event("tickets", number, contact, {"subject": f"Question {number + 1}", "hs_pipeline_stage": "4"})
            self._event("deals", number, contact, {"dealname": f"Order {number + 1}", "dealstage": "closedwon"})

    def _add(self, table: str, created: datetime, modified: datetime, fields: dict[str, str | None]) -> Record:
        record_id = str(FIRST_IDS[table] + STEPS[table] * len(self.tables[table]))
        created = created.replace(microsecond=self._random.randrange(1000) * 1000)
        modified = max(created, modified.replace(microsecond=self._random.randrange(1000) * 1000))
        record = Record(record_id, dict(fields), created=created, modified=modified)
        self.tables[table].append(record)
        return record

    def _company(self, company: Company) -> None:
        linked = self._random.random() < 0.5  # noqa: PLR2004
        fields = {
            "name": self._random.choice((company.name, f"{company.name} {company.legal_form}", company.name.upper())),
            "domain": company.domain,
            "industry": None,
            "salesforceaccountid": company.record_ids.get("salesforce") if linked else None,
        }
        created = self._start - timedelta(days=self._random.randint(5, 700))
        record = self._add("companies", created, self._some_time(), fields)
        self._book.company_record(company, "hubspot", "companies", record.record_id)

    def _contact(self, person: Person) -> None:
        mailbox = person.mailboxes["hubspot"]
        fields = {
            "email": mailbox.email.lower() if mailbox.email else None,  # HubSpot keeps addresses in lower case
            "firstname": person.first_name,
            "lastname": person.last_name,
            "company": person.company.name,
            "hs_language": person.language,
            "lifecyclestage": "customer",
            "associatedcompanyid": person.company.record_ids.get("hubspot"),
            "salesforcecontactid": person.record_ids.get("salesforce") if mailbox.linked else None,
        }
        created = self._start - timedelta(days=self._random.randint(1, 600))
        record = self._add("contacts", created, self._some_time(), fields)
        self._book.person_record(person, "hubspot", "contacts", record.record_id)

    def hard_contact(
        self, person: Person, company: Company, created: datetime, modified: datetime, known: dict[str, str | None]
    ) -> Record:
        """Add a contact as it is declared: name, email, phone, mobile_phone and reference, a stored Salesforce id."""
        first, _, last = str(known["name"]).partition(" ")
        fields = {
            "email": known["email"].lower() if known["email"] else None,
            "firstname": first,
            "lastname": last,
            "phone": known["phone"],
            "mobilephone": known["mobile_phone"],
            "company": company.name,
            "hs_language": person.language,
            "lifecyclestage": "customer",
            "associatedcompanyid": company.record_ids.get("hubspot"),
            "salesforcecontactid": known["reference"],
        }
        record = self._add("contacts", created, modified, fields)
        self._book.person_record(person, "hubspot", "contacts", record.record_id)
        return record

    def _event(self, table: str, number: int, contact: Record, fields: dict[str, Any]) -> None:
        """What holds no answer, only a contact and its company; no chance is used up, so all else stays as it is."""
        company = contact.fields["associatedcompanyid"]
        links = {"contacts": [contact.record_id], "companies": [company] if company else []}
        created = self._start + timedelta(days=20 * number)
        record_id = str(EVENTS[table] + 11 * number)
        fields = {**fields, "hs_pipeline" if table == "tickets" else "pipeline": "default", "associations": links}
        self.tables[table].append(Record(record_id, fields, created=created, modified=created + timedelta(days=2)))

    def _some_time(self) -> datetime:
        return self._start + timedelta(seconds=self._random.randrange(360 * 86_400))

    def submission(self, answer: Answer) -> None:
        """Add an answer; its person's contact has to be there."""
        survey, person = answer.survey, answer.person
        email = person.mailboxes["hubspot"].email if person else None
        fields = {
            "hs_survey_id": SURVEY_IDS[survey.key],
            "hs_survey_name": survey.name,
            "hs_survey_type": survey.metric,
            "hs_survey_channel": CHANNELS[survey.channel],
            "hs_value": answer.value,
            "hs_content": answer.comment,
            "hs_response_group": self._group(answer),
            "hs_sentiment": None,
            "hs_submission_name": f"{survey.name} - {email.lower()}" if email else survey.name,
            "hs_submission_timestamp": milliseconds(answer.responded_at),
            "hs_ingestion_id": str(UUID(int=self._random.getrandbits(128), version=4)),
            "hs_visitor_id": None if person else f"{self._random.getrandbits(64):016x}",
            "hs_contact_id": person.record_ids["hubspot"] if person else None,
            "hs_contact_email_rollup": email.lower() if email else None,
        }
        stored = answer.recorded_at + timedelta(seconds=1)
        record = self._add("feedback_submissions", stored, stored, fields)
        self._book.response(answer, RecordRef("hubspot", surveys.HUBSPOT_STREAM, record.record_id))

    def _group(self, answer: Answer) -> str | None:
        """A group in one of the two notations that portals show; on CSAT it is there too. Nobody should read it."""
        if answer.survey.metric == "CSAT":
            return answer.value
        if answer.score is None:
            return None
        number = 2 if answer.score >= 9 else 1 if answer.score >= 7 else 0  # noqa: PLR2004
        return GROUPS[number] if self._random.random() < 0.7 else str(number)  # noqa: PLR2004


def milliseconds(moment: datetime) -> str:
    """A date and time as HubSpot writes it: 2026-03-01T09:30:00.123Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
