"""Stores the hard cases: their people, records and an answer of each, after all others, which stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sandbox.population import surveys
from sandbox.population.build import TruthBook
from sandbox.population.comments import Category, draw_comment
from sandbox.population.hard_cases import CASES, NAMES, PHONES, PLACES, Entry
from sandbox.population.hubspot import HubSpotBuilder
from sandbox.population.model import SYSTEMS, Answer, Company, Mailbox, Person, System
from sandbox.population.people import in_ascii
from sandbox.population.salesforce import SalesforceBuilder
from sandbox.population.zendesk import ZendeskBuilder
from sandbox.store import Record

SYSTEM_OF: dict[str, System] = {"Contact": "salesforce", "contacts": "hubspot", "users": "zendesk"}
FIRST_NUMBER = 101
SHORT_ID = 15


@dataclass(frozen=True)
class Place:
    """Where a case is: a company that all CRMs know, another one, and the number of the case there."""

    company: Company
    other: Company
    number: int


@dataclass
class HardPeople:
    """Adds the hard cases to what the builders of the CRMs have built."""

    random: Random
    book: TruthBook
    start: datetime
    salesforce: SalesforceBuilder
    hubspot: HubSpotBuilder
    zendesk: ZendeskBuilder

    def add(self, companies: Sequence[Company]) -> list[Person]:
        """Add all of them; the people, whose keys begin with the kind of their case."""
        known = [company for company in companies if company.systems == frozenset(SYSTEMS)]
        people: list[Person] = []
        for kind, place, position, entries in _cases(known):
            person = _person(kind, place, position)
            self._store(person, place, entries)
            self._answer(person, len(people))
            people.append(person)
        return people

    def _store(self, person: Person, place: Place, entries: Sequence[Entry]) -> None:
        records: list[Record] = []
        for entry in entries:
            texts = _texts(person, place)
            email, phone, mobile = (
                text.format_map(texts) if text else None for text in (entry.email, entry.phone, entry.mobile_phone)
            )
            name = entry.name.format_map(texts) if entry.name else f"{person.first_name} {person.last_name}"
            company = place.other if entry.elsewhere else place.company
            person.mailboxes.setdefault(SYSTEM_OF[entry.table], Mailbox(email, linked=entry.refers_to is not None))
            referred = None if entry.refers_to is None else records[entry.refers_to].record_id
            fields = {"name": name, "email": email, "phone": phone, "mobile_phone": mobile}
            reference = referred[:SHORT_ID] if referred and entry.short else referred
            record = self._record(entry.table, person, company, fields, reference)
            if entry.merged_into is not None:
                record.deleted = record.modified
                record.fields["MasterRecordId"] = records[entry.merged_into].record_id
            records.append(record)

    def _record(
        self, table: str, person: Person, company: Company, fields: dict[str, str | None], reference: str | None
    ) -> Record:
        created = self.start - timedelta(days=self.random.randint(21, 400))
        modified = self.start + timedelta(seconds=self.random.randrange(360 * 86_400))
        if table == "Contact":
            return self.salesforce.hard_contact(person, company, created, modified, fields)
        if table == "contacts":
            return self.hubspot.hard_contact(person, company, created, modified, fields | {"reference": reference})
        return self.zendesk.hard_user(person, company, created, modified, fields | {"reference": reference})

    def _answer(self, person: Person, number: int) -> None:
        """One answer in HubSpot or else in Salesforce; Zendesk's stand in tickets, and those are enough as they are."""
        at = self.start + timedelta(days=5 * number % 350, seconds=self.random.randrange(86_400))
        survey = surveys.PURCHASE if "hubspot" in person.mailboxes else surveys.RENEWAL
        score = self.random.choice((3, 6, 7, 8, 9, 9, 10, 10))
        category: Category = "promoter" if score >= 9 else "passive" if score >= 7 else "detractor"  # noqa: PLR2004
        comment = draw_comment(self.random, person.language, survey.touchpoint, category)
        answer = Answer(survey, person, person.language, at, at, score, str(score), comment, key=f"answer-{person.key}")
        if survey is surveys.PURCHASE:
            self.hubspot.submission(answer)
        elif "salesforce" in person.mailboxes:
            self.salesforce.nps_record(answer, survey, at, comment)


def _cases(known: Sequence[Company]) -> Iterator[tuple[str, Place, int, tuple[Entry, ...]]]:
    """Every person of every case: the kind, where it is, the position of the person, the records."""
    for order, (kind, people) in enumerate(CASES.items()):
        for turn in range(PLACES):
            company, other = (known[(order * PLACES + turn + step) % len(known)] for step in (0, 1))
            place = Place(company, other, FIRST_NUMBER + order * 10 + turn)
            for position, entries in enumerate(people):
                yield kind, place, position, entries


def _person(kind: str, place: Place, position: int) -> Person:
    names = NAMES[place.company.language]
    first, last = names[(place.number + position) % len(names)]
    key = f"{kind}-{place.number}-{position + 1}"
    return Person(key, first, last, place.company.language, place.company, mailboxes={})


def _texts(person: Person, place: Place) -> dict[str, Any]:
    given, family = in_ascii(person.first_name), in_ascii(person.last_name)
    idn = f"b\u00fccher-{place.number}.example"
    notations = (phone.format(n=place.number) for phone in PHONES[place.company.language])
    return {
        "first": person.first_name,
        "given": given,
        "Given": given.title(),
        "family": family,
        "domain": place.company.domain,
        "idn": idn,
        "IDN": idn.upper(),
        "dns": idn.encode("idna").decode("ascii"),
        "n": f"{place.number:03}",
        **dict(zip(("world", "home", "prefixed"), notations, strict=True)),
    }
