"""What a pipeline ought to make of the population: every served answer with its class, and who is who. For tests."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Class = Literal["kept", "duplicate", "quarantined", "excluded"]

# The first source in this order that holds an answer is the one that is kept.
WINNER_ORDER = ("files", "hubspot", "salesforce", "zendesk")


class RecordRef(NamedTuple):
    """One record of a source: the object of a CRM, or a row of a survey export."""

    source: str
    stream: str
    record_id: str


@dataclass(frozen=True, slots=True)
class Response:
    """One record of a response stream.

    ``classification`` is how it counts, ``reason`` why it is excluded or quarantined, ``duplicate_of`` the record that
    is kept in its place. ``answer`` names the answer it holds: records of one answer share it. ``carried_by`` are the
    other records that hold parts of it. Times are ISO 8601, UTC.
    """

    ref: RecordRef
    classification: Class
    reason: str | None
    duplicate_of: RecordRef | None
    answer: str
    person: str | None
    survey: str
    survey_name: str
    survey_type: str
    channel: str
    touchpoint: str
    score: int | None
    comment: str | None
    responded_at: str | None
    invited_at: str | None
    language: str | None
    carried_by: tuple[RecordRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Invitation:
    """One invitation record; ``answered_by`` is the record of its completed answer, whatever that answer is worth."""

    ref: RecordRef
    person: str | None
    survey: str
    invited_at: str
    answered_by: RecordRef | None

    @property
    def answered(self) -> bool:
        """Whether a completed answer exists."""
        return self.answered_by is not None


@dataclass(frozen=True, slots=True)
class Person:
    """One real person: the records that are this person, and all addresses stored for it, in lower case."""

    key: str
    company: str
    emails: tuple[str, ...]
    records: tuple[RecordRef, ...]


@dataclass(frozen=True, slots=True)
class Company:
    """One real company and the records that are it."""

    key: str
    name: str
    segment: str
    domain: str
    records: tuple[RecordRef, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """The whole truth of one population."""

    responses: tuple[Response, ...]
    invitations: tuple[Invitation, ...]
    persons: tuple[Person, ...]
    companies: tuple[Company, ...]

    def only(self, sources: Collection[str]) -> Truth:
        """The truth for a pipeline that reads these sources alone: duplicates are then judged among what it reads."""
        seen = [response for response in self.responses if response.ref.source in sources]
        return Truth(
            responses=tuple(judge_duplicates(seen)),
            invitations=tuple(invitation for invitation in self.invitations if invitation.ref.source in sources),
            persons=tuple(
                dataclasses.replace(person, records=_within(person.records, sources))
                for person in self.persons
                if _within(person.records, sources)
            ),
            companies=tuple(
                dataclasses.replace(company, records=_within(company.records, sources))
                for company in self.companies
                if _within(company.records, sources)
            ),
        )

    def stream(self, source: str, stream: str) -> tuple[Response, ...]:
        """The responses of one stream."""
        return tuple(one for one in self.responses if one.ref[:2] == (source, stream))

    def as_json(self) -> dict[str, Any]:
        """The truth as JSON-ready data."""
        return dataclasses.asdict(self)


def judge_duplicates(responses: Collection[Response]) -> list[Response]:
    """Per answer keep the record of the first source in WINNER_ORDER; the other usable records are its duplicates."""
    winners: dict[str, RecordRef] = {}
    for response in sorted(responses, key=lambda one: WINNER_ORDER.index(one.ref.source)):
        if response.classification in ("kept", "duplicate"):
            winners.setdefault(response.answer, response.ref)
    return [_judged(response, winners.get(response.answer)) for response in responses]


def _judged(response: Response, winner: RecordRef | None) -> Response:
    if response.classification not in ("kept", "duplicate"):
        return response
    if response.ref == winner:
        return dataclasses.replace(response, classification="kept", duplicate_of=None)
    return dataclasses.replace(response, classification="duplicate", duplicate_of=winner)


def _within(records: Collection[RecordRef], sources: Collection[str]) -> tuple[RecordRef, ...]:
    return tuple(ref for ref in records if ref.source in sources)
