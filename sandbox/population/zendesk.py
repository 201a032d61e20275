"""Fills the Zendesk account: organizations, users, tickets with NPS fields and their events, ratings, responses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sandbox.population import surveys
from sandbox.population.build import TruthBook
from sandbox.population.model import Answer, Company, Invitation, Language, Person
from sandbox.population.truth import RecordRef
from sandbox.store import Record
from sandbox.zendesk import events
from sandbox.zendesk.ids import AGENT_ID, COMMENT_FIELD, SCORE_FIELD
from sandbox.zendesk.shapes import iso

FIRST_IDS = {
    "organizations": 26_100_000_000_101,
    "users": 61_300_000_000_101,
    "tickets": 1_001,
    "satisfaction_ratings": 35_400_000_000_101,
    "ticket_events": events.FIRST_ID,
    "survey_responses": 4_711,
}
STEPS = {
    "organizations": 128,
    "users": 256,
    "tickets": 1,
    "satisfaction_ratings": 64,
    "ticket_events": events.STEP,
    "survey_responses": 1,
}
SURVEYED = 20  # one answered ticket in so many also has a response to the satisfaction survey
EDITABLE = timedelta(days=14)
LOCALES: dict[Language, tuple[str, int]] = {"de": ("de", 8), "en": ("en-US", 1)}
SUBJECTS: dict[Language, tuple[str, ...]] = {
    "de": ("Anmeldung nicht möglich", "Frage zur Rechnung", "Export bricht ab", "Neue Benutzer anlegen"),
    "en": ("Cannot sign in", "Question about my invoice", "Export stops half-way", "Adding users"),
}
TASTE = (("good", 5), ("bad", 2), ("offered", 6))


class ZendeskBuilder:
    """Builds the tables record by record and writes the truth beside them."""

    def __init__(self, random: Random, book: TruthBook, start: datetime) -> None:
        self._random = random
        self._book = book
        self._start = start
        self.tables: dict[str, list[Record]] = {name: [] for name in FIRST_IDS}

    def build(
        self,
        companies: Iterable[Company],
        people: Iterable[Person],
        invitations: Iterable[Invitation],
        answers: Iterable[Answer],
    ) -> None:
        """Add everything that Zendesk knows; Salesforce has to be built before, its ids are stored here."""
        self._agent()
        for company in companies:
            if "zendesk" in company.systems:
                self._organization(company)
        for person in people:
            if "zendesk" in person.mailboxes:
                self._user(person)
        given = {answer.invitation.key: answer for answer in answers if answer.invitation}
        for invitation in invitations:
            if invitation.survey.stream == surveys.TICKET_STREAM and invitation.person:
                self._ticket(invitation, invitation.person, given.get(invitation.key))

    def _add(self, table: str, created: datetime, modified: datetime, fields: dict[str, Any]) -> Record:
        record_id = str(FIRST_IDS[table] + STEPS[table] * len(self.tables[table]))
        record = Record(record_id, fields, created=created, modified=modified)
        self.tables[table].append(record)
        return record

    def _some_time(self) -> datetime:
        return self._start + timedelta(seconds=self._random.randrange(360 * 86_400))

    def _agent(self) -> None:
        fields = {"name": "Support", "email": "support@crm.example", "role": "admin", "locale": "en-US", "locale_id": 1}
        record = Record(str(AGENT_ID), fields, created=self._start, modified=self._start)
        self.tables["users"].append(record)

    def _organization(self, company: Company) -> None:
        linked = self._random.random() < 0.4  # noqa: PLR2004
        fields = {
            "name": self._random.choice((company.name, f"{company.name} {company.legal_form}")),
            "domain_names": [company.domain],
            "external_id": company.record_ids.get("salesforce") if linked else None,
        }
        created = self._start - timedelta(days=self._random.randint(5, 700))
        record = self._add("organizations", created, self._some_time(), fields)
        self._book.company_record(company, "zendesk", "organizations", record.record_id)

    def _user(self, person: Person) -> None:
        mailbox = person.mailboxes["zendesk"]
        locale, locale_id = LOCALES[person.language]
        organization = person.company.record_ids.get("zendesk")
        own_number = f"customer-{len(self.tables['users']):04}" if self._random.random() < 0.15 else None  # noqa: PLR2004
        fields = {
            "name": f"{person.first_name} {person.last_name}",
            "email": mailbox.email,
            "role": "end-user",
            "locale": locale,
            "locale_id": locale_id,
            "organization_id": int(organization) if organization else None,
            "external_id": person.record_ids["salesforce"] if mailbox.linked else own_number,
        }
        created = self._start - timedelta(days=self._random.randint(1, 600))
        record = self._add("users", created, self._some_time(), fields)
        self._book.person_record(person, "zendesk", "users", record.record_id)

    def hard_user(
        self, person: Person, company: Company, created: datetime, modified: datetime, known: dict[str, str | None]
    ) -> Record:
        """Add a user as it is declared: name, email, phone, mobile_phone and reference, a stored Salesforce id."""
        locale, locale_id = LOCALES[person.language]
        organization = company.record_ids.get("zendesk")
        fields = {
            "name": known["name"],
            "email": known["email"],
            "phone": known["phone"] or known["mobile_phone"],
            "role": "end-user",
            "locale": locale,
            "locale_id": locale_id,
            "organization_id": int(organization) if organization else None,
            "external_id": known["reference"],
        }
        record = self._add("users", created, modified, fields)
        self._book.person_record(person, "zendesk", "users", record.record_id)
        return record

    def _ticket(self, invitation: Invitation, person: Person, answer: Answer | None) -> None:
        solved = invitation.invited_at
        opened = solved - timedelta(seconds=self._random.randint(3_600, 6 * 86_400))
        subject = self._random.choice(SUBJECTS[person.language])
        organization = person.company.record_ids.get("zendesk")
        taste = self._random.choices([word for word, _ in TASTE], [weight for _, weight in TASTE])[0]
        rated = self._random.random() < 0.3  # noqa: PLR2004
        fields: dict[str, Any] = {
            "subject": subject,
            "description": f"{subject}.",
            "status": "closed" if answer else "solved",
            "priority": self._random.choice(("low", "normal", "high")),
            "requester_id": int(person.record_ids["zendesk"]),
            "submitter_id": int(person.record_ids["zendesk"]),
            "assignee_id": AGENT_ID,
            "organization_id": int(organization) if organization else None,
            "tags": ["nps"] if answer else [],
            "satisfaction_rating": {"score": taste if rated else "unoffered"},
            "custom_values": {
                str(SCORE_FIELD): answer.value if answer else None,
                str(COMMENT_FIELD): answer.comment if answer else None,
            },
        }
        ticket = self._add("tickets", opened, answer.recorded_at if answer else solved, fields)
        if rated:
            self._rating(ticket, taste, solved)
        self._events(ticket, answer)
        ref = RecordRef("zendesk", surveys.TICKET_STREAM, ticket.record_id)
        if answer:
            self._book.response(answer, ref)
        else:
            self._book.no_answer(ref, "not_nps", f"{invitation.key}-unanswered", person)

    def _events(self, ticket: Record, answer: Answer | None) -> None:
        """The ticket was made, and its score was filled when the answer was recorded."""
        opened = {"status": "new", "custom_values": {}}
        self._add(
            "ticket_events", ticket.created, ticket.created, events.created(ticket.record_id, ticket.fields | opened)
        )
        filled = events.changed(ticket.record_id, opened, ticket.fields)
        if answer and filled:
            self._add("ticket_events", answer.recorded_at, answer.recorded_at, filled)
        if answer and int(ticket.record_id) % SURVEYED == 0:
            fields = {
                "ticket_id": int(ticket.record_id),
                "responder_id": ticket.fields["requester_id"],
                "rating": 1 + int(ticket.record_id) // SURVEYED % 5,
                "expires_at": iso(answer.recorded_at + EDITABLE),
            }
            self._add("survey_responses", answer.recorded_at, answer.recorded_at, fields)

    def _rating(self, ticket: Record, score: str, at: datetime) -> None:
        fields = {
            "score": score,
            "comment": None,
            "reason": "No reason provided",
            "ticket_id": int(ticket.record_id),
            "requester_id": ticket.fields["requester_id"],
            "assignee_id": AGENT_ID,
        }
        record = self._add("satisfaction_ratings", at, at, fields)
        ticket.fields["satisfaction_rating"] = {"id": int(record.record_id), "score": score, "comment": None}
