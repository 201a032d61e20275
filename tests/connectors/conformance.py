"""The table of the conformance suite: every stream of every connector, every property, and what is excused and why.

``holds`` runs a test for each stream that its property is asked of. A new connector needs a sandbox of its own and a
section in the configuration of the demo; what that leaves switched off is switched on here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import sandbox.demo
from connectors import registry
from connectors.base import Change, Kind, Stream, Target, Value
from sandbox.control import Control

CONNECTORS = registry.discover()
DEMO = yaml.safe_load(Path(sandbox.demo.__file__).with_name("demo.yaml").read_text(encoding="utf-8"))
SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "salesforce": {"leads": True, "cases": True, "opportunities": True},
    "hubspot": {
        "tickets": {
            "score": "nps_rating", "scale": [0, 10], "comment": "nps_reason", "responded_at": "nps_rated_at",
            "survey_type": "transactional",
        },
        "deals": True,
    },
    "zendesk": {
        "tickets": DEMO["sources"]["zendesk"]["tickets"] | {"events": True},
        "satisfaction_ratings": True,
        "survey_responses": True,
    },
}  # fmt: skip
# The ways in which a connector may pull the same streams: name -> settings.
VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {"salesforce": {"rest": {}, "bulk": {"bulk_above": 0}}}

PROPERTIES = (
    "drained whole",
    "killed at every page",
    "committed on the way",
    "nothing lost or doubled",
    "ties",
    "late in a tie",
    "late rows",
    "edits",
    "deletes",
    "merges",
    "429 storm",
    "expired token",
    "cut connection",
    "a mapped field vanishes",
    "an unknown field comes",
    "missed and found by a reconcile",
    "own count after a reconcile",
    "cost",
)


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why properties are not asked of streams, whose cases are named as ``*`` and ``?`` of a shell do."""

    properties: Sequence[str]
    cases: Sequence[str]
    reason: str

    def covers(self, case: object) -> bool:
        """Whether a case is meant."""
        return any(fnmatchcase(str(case), pattern) for pattern in self.cases)


EXCUSES = (
    Excuse(
        ("edits", "deletes", "merges", "ties", "late in a tie", "late rows"),
        ("zendesk-ticket_events",),
        "An event tells what was done to a ticket at its time: it is added, and then never changed or deleted. A "
        "second with more events than a page cannot be passed; test_zendesk_exports says what is made of it.",
    ),
    Excuse(
        ("late in a tie",),
        ("zendesk-organizations",),
        "A second with more changes than a page is known whole, from the list, once it is long over: Zendesk dates a "
        "change by when it is made, and its exports are a minute behind.",
    ),
    Excuse(
        ("committed on the way",),
        ("salesforce-bulk-*", "zendesk-satisfaction_ratings", "zendesk-survey_responses"),
        "They come in no order of their changes: from no page but the last one could a pull go on.",
    ),
    Excuse(
        ("deletes", "late in a tie", "merges"),
        ("zendesk-satisfaction_ratings", "zendesk-survey_responses"),
        "Zendesk neither deletes nor merges them.",
    ),
    Excuse(
        ("merges",),
        ("salesforce-*-Survey*", "salesforce-*-Opportunity", "salesforce-*-NPS_Response__c"),
        "Salesforce merges accounts, contacts, leads and cases, nothing else.",
    ),
    Excuse(
        ("merges",),
        ("hubspot-feedback_submissions",),
        "HubSpot merges contacts, companies, tickets and deals, nothing else.",
    ),
    Excuse(
        ("a mapped field vanishes",),
        ("zendesk-users", "zendesk-organizations", "zendesk-satisfaction_ratings", "zendesk-survey_responses"),
        "They are mapped to parts of the API itself, which no account can rename or delete.",
    ),
    Excuse(
        ("a mapped field vanishes",),
        ("hubspot-deals", "salesforce-*-Case", "salesforce-*-Opportunity"),
        "No field of theirs is mapped.",
    ),
    Excuse(
        ("own count after a reconcile",),
        ("hubspot-*",),
        "A search counts what its index has, which lags behind the records; a list does not count.",
    ),
    Excuse(
        ("own count after a reconcile",),
        ("zendesk-*",),
        "Zendesk keeps its counts of tickets, users and organizations for up to a day, and says so; it does not count "
        "the others.",
    ),
    Excuse(
        ("an unknown field comes",),
        ("salesforce-bulk-*",),
        "The columns of a job's results are those that its query names.",
    ),
)


@cache
def settings_of(source: str, variant: str = "") -> Any:
    """The settings of a source: the demo's, everything switched on, in one of the ways to pull."""
    section = DEMO["sources"].get(source) or {}
    way = VARIANTS.get(source, {}).get(variant, {})
    return CONNECTORS[source].settings.model_validate({**section, **SWITCHES.get(source, {}), **way})


def synced(source: str, target: Target) -> dict[str, Value]:
    """The fields that the demo writes to a target, each with a value that it accepts."""
    fields = DEMO["sync"][source][target.name]["fields"]
    spelling = fields["category"].get("spelling", {"promoter": "promoter"})
    day = "2026-03-01T09:30:00Z" if target.kinds["responded_at"] == "datetime" else "2026-03-01"
    texts = {"score": "9", "category": spelling["promoter"], "responded_at": day}
    return {fields[name]["to"]: Value(target.kinds[name], text) for name, text in texts.items()}


@cache
def streams_of(source: str) -> dict[str, Stream]:
    """Every stream of a source, by name."""
    connector = CONNECTORS[source]
    written = {target.name: list(synced(source, target)) for target in connector.targets}
    return {stream.name: stream for stream in connector.streams(settings_of(source), written)}


@dataclass(frozen=True, slots=True)
class Case:
    """One stream of one connector, pulled in one of its ways."""

    source: str
    variant: str
    name: str

    def __str__(self) -> str:
        return "-".join(filter(None, (self.source, self.variant, self.name)))

    @property
    def stream(self) -> Stream:
        """Its declaration."""
        return streams_of(self.source)[self.name]

    def is_asked(self, wanted: str) -> bool:
        """Whether a property is asked of it."""
        return not any(wanted in one.properties and one.covers(self) for one in EXCUSES)


def _cases() -> Iterator[Case]:
    for source in CONNECTORS:
        for variant in VARIANTS.get(source, ("",)):
            yield from (Case(source, variant, name) for name in streams_of(source))


CASES = [*_cases()]
# Of each way to pull, the stream that the connector names first.
FIRST = list({(case.source, case.variant): case for case in reversed(CASES)}.values())[::-1]
# What nobody has filled at the start, by source and stream.
FILLED: Mapping[str, Mapping[str, str]] = {
    "hubspot-contacts": {"phone": "030 1", "mobilephone": "030 2", "country": "Germany"},
    "hubspot-companies": {"country": "Germany"},
    "zendesk-users": {"phone": "030 1"},
    "salesforce-Contact": {"Phone": "030 1", "MobilePhone": "030 2", "MailingCountry": "Germany"},
    "salesforce-Lead": {"Phone": "030 1", "MobilePhone": "030 2", "Country": "Germany"},
    "hubspot-tickets": {"nps_rating": "9", "nps_reason": "Quick", "nps_rated_at": "2026-03-01T09:30:00Z"},
    "zendesk-satisfaction_ratings": {"comment": "Quick"},
    "zendesk-survey_responses": {"comment": "Quick"},
}
TARGETS = [(source, target) for source, connector in CONNECTORS.items() for target in connector.targets]
every_source = pytest.mark.parametrize("source", CONNECTORS)
every_target = pytest.mark.parametrize(("source", "target"), TARGETS, ids=lambda one: getattr(one, "name", one))
every_way = pytest.mark.parametrize("case", FIRST, ids=str)


def holds(*wanted: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for every stream that the first of these properties is asked of.

    ``asked`` of the test are the pairs of properties and cases that it proves.
    """
    assert {*wanted} <= {*PROPERTIES}
    cases = [case for case in CASES if case.is_asked(wanted[0])]

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        test.asked = {(one, case) for one in wanted for case in cases if case.is_asked(one)}  # type: ignore[attr-defined]
        return pytest.mark.parametrize("case", cases, ids=str)(test)

    return mark


def case_of(source: str, target: Target) -> Case:
    """The stream that serves the records of a target."""
    return next(case for case in CASES if (case.source, case.name) == (source, target.stream))


def change(record_id: str, values: Mapping[str, Value]) -> Change:
    """The change of a record to these values."""
    return Change(f"op-{record_id}", record_id, values)


def live(control: Control, table: str, number: int) -> list[str]:
    """Some records of a table that are not deleted."""
    return [key for key, record in control.state(table).items() if record["deleted"] is None][-number:]


def kinds(values: Mapping[str, Value]) -> dict[str, Kind]:
    """Of each field its kind."""
    return {name: value.kind for name, value in values.items()}


def texts(values: Mapping[str, Value]) -> dict[str, str | None]:
    """Of each field its text."""
    return {name: value.text for name, value in values.items()}
