"""What every connector must survive, whatever changes: kills, ties, late rows, edits, deletes, merges, other fields.

What is landed after them is what the server holds, each version once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.responses import JSONResponse

from connectors.base import Page
from connectors.errors import ConfigError, RetryableError
from connectors.hubspot_streams import required
from connectors.zendesk_exports import MERGED
from nps_pipeline.landing import COMMIT_EVERY, list_loads
from sandbox.hubspot.definitions import initial_properties
from sandbox.hubspot.hooks import HubSpotControl
from sandbox.salesforce.hooks import SalesforceControl
from sandbox.zendesk import fields
from tests.connectors.conformance import CASES, Case, holds
from tests.connectors.conformance_fixtures import Whole
from tests.connectors.landed_source import EVER, NO_OVERLAP, OVERLAP, Source

CHANGES = 6  # while one pull runs: fewer than a page has rows, since an export may hide what a full second deletes
SourceOf = Callable[[Case], Source]
WholeOf = Callable[[Source], Whole]


# --- kills ---


class BrokenOffError(RetryableError):
    """The pull came to no end: what came is committed, wherever the source says from where to go on."""


class KilledError(BaseException):
    """The run was killed: only what had been committed is there."""


# How a pull ends -> after how many records it commits on the way.
ENDS: Mapping[type[BaseException], int] = {BrokenOffError: COMMIT_EVERY, KilledError: 1}


def ended_at(pages: Iterator[Page], number: int, end: type[BaseException]) -> Iterator[Page]:
    """A pull that ends before this page, counted from 0; where it has none, it does not."""
    for place, page in enumerate(pages):
        if place == number:
            pages.close()  # type: ignore[attr-defined]
            raise end("at this page")
        yield page


def landed_with_ends(one: Source, overlap: timedelta, end: type[BaseException]) -> int:
    """Land what is new although each pull is ended, a page later where the last one got nowhere; how many were."""
    ended = number = 0
    while True:
        cursor = one.cursor()
        try:
            one.land(ended_at(one.pages(cursor, overlap), number, end), ENDS[end])
        except end:
            ended, number = ended + 1, number + 1 if one.cursor() == cursor else 1
        else:
            return ended


@holds("killed at every page")
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_pull_that_is_killed_at_any_page_keeps_what_came_and_the_next_goes_on(
    source_of: SourceOf, whole_of: WholeOf, case: Case, end: type[BaseException]
) -> None:
    one = source_of(case)
    whole = whole_of(one)
    assert whole.pages >= one.least_pages
    assert landed_with_ends(one, NO_OVERLAP, end) >= one.least_pages
    assert (one.landed(), one.doubled()) == (whole.records, 0)
    edited, deleted = one.changing()[:2]
    one.edit(edited)
    one.delete(deleted)
    assert landed_with_ends(one, EVER, end) >= one.least_pages
    one.agrees()
    assert one.doubled() == 0


@holds("killed at every page", "committed on the way")
def test_a_long_pull_is_committed_on_the_way_wherever_pages_say_from_where_it_goes_on(
    source_of: SourceOf, case: Case
) -> None:
    one = source_of(case)
    one.land(one.pages(), every=1)
    loads = [load.manifest for load in list_loads(one.home)]
    assert [load.is_drained for load in loads] == [False] * (len(loads) - 1) + [True]
    assert [load.mode for load in loads] == ["incremental"] * (len(loads) - 1) + ["full"]
    assert [load.live_records for load in loads] == [None] * (len(loads) - 1) + [len(one.landed())]
    assert len(loads) >= (one.least_pages if case.is_asked("committed on the way") else 1)
    assert one.doubled() == 0
    one.agrees()


# --- changes under way, ties, late rows ---


def changing(one: Source, pages: Iterator[Page], ids: Sequence[str]) -> Iterator[Page]:
    """After each of the first pages somebody edits a record, or deletes another one."""
    for number, page in enumerate(pages):
        yield page
        if number < min(CHANGES, len(ids)):
            edit_or_delete = one.delete if number % 2 else one.edit
            edit_or_delete(ids[number])


@holds("nothing lost or doubled")
@pytest.mark.parametrize(("cursor", "every"), [("none", COMMIT_EVERY), ("kept", COMMIT_EVERY), ("none", 1)])
def test_what_changes_while_it_is_pulled_is_landed_by_this_pull_or_the_next(
    source_of: SourceOf, case: Case, cursor: str, every: int
) -> None:
    one = source_of(case)
    ids = one.changing()
    if cursor == "kept":
        one.pull()
    one.land(changing(one, one.pages(one.cursor(), EVER), ids), every)
    one.pull()
    one.agrees()
    if cursor == "kept":
        one.settles()


@holds("nothing lost or doubled")
def test_what_changes_before_an_interrupted_pull_goes_on_is_landed(source_of: SourceOf, case: Case) -> None:
    one = source_of(case)
    ids = one.changing()
    with pytest.raises(BrokenOffError):
        one.land(ended_at(changing(one, one.pages(), ids[:2]), 2, BrokenOffError))
    for number, key in enumerate(ids[2 : 2 + CHANGES]):
        (one.delete if number % 2 else one.edit)(key)
    one.pull(NO_OVERLAP)
    one.pull(NO_OVERLAP)
    one.agrees()
    one.settles()


@holds("ties", "late in a tie")
def test_ties_over_many_pages_are_whole_also_where_one_comes_late(source_of: SourceOf, case: Case) -> None:
    one, moment = source_of(case), datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
    late, deleted = one.changing()[:2]
    one.control.set_modified(case.name, moment)
    one.control.set_modified(case.name, moment - timedelta(days=1), [late])
    one.pull(NO_OVERLAP)
    assert len(one.landed()) == len(one.records())
    if case.is_asked("late in a tie"):
        one.delete(deleted)
        one.control.set_modified(case.name, moment, [late, deleted])
        one.pull(NO_OVERLAP)
    one.agrees()
    one.settles()


LAST, LONG_BEFORE = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)


def pulled_up_to_last(one: Source) -> list[str]:
    """Pull and land where one row changed last, and all others long before; those that may change, it first."""
    last, *others = one.changing()
    one.control.set_modified(one.case.name, LONG_BEFORE)
    one.control.set_modified(one.case.name, LAST, [last])
    one.pull()
    return [last, *others]


@holds("late rows")
def test_what_shows_late_is_found_within_the_overlap(source_of: SourceOf, case: Case) -> None:
    one = source_of(case)
    last, late, *_ = pulled_up_to_last(one)
    one.edit(late)
    one.control.set_modified(case.name, LAST - OVERLAP / 2, [late])
    one.edit(last)
    one.pull()
    one.agrees()


# --- edits, deletes, merges ---


@holds("edits", "deletes")
def test_a_later_pull_serves_an_edit_and_a_deletion_and_nothing_else_anew(source_of: SourceOf, case: Case) -> None:
    one = source_of(case)
    one.pull(NO_OVERLAP)
    before, cursor = one.landed(), one.cursor()
    edited, deleted = one.changing()[:2]
    one.edit(edited)
    one.delete(deleted)
    one.pull(NO_OVERLAP)
    landed = one.landed()
    new = {key: record for key, record in landed.items() if record != before[key]}
    assert [gone for _, gone, _ in new.values()].count(False) == 1
    assert [key for key, (_, gone, _) in new.items() if gone] == ([deleted] if case.is_asked("deletes") else [])
    assert all(changed > before[key][0] for key, (changed, _, _) in new.items())  # type: ignore[operator]
    assert [load.manifest.rows for load in list_loads(one.home)[1:]] == [len(new)]
    assert one.cursor() != cursor
    one.agrees()


def merge(one: Source, gone: str, kept: str) -> str:
    """Somebody merges a record into another; the id of what is left."""
    if one.case.source == "hubspot":
        return HubSpotControl.of(one.control).merge(one.case.name, kept, gone)
    if one.case.source == "salesforce":
        SalesforceControl.of(one.control).merge(one.case.name, gone, kept)
        one.edit(kept)
    elif one.case.name == "tickets":
        one.control.edit(one.case.name, gone, status="closed", tags=[MERGED])
        one.edit(kept)
    else:  # of users and organizations Zendesk says only that one is deleted
        one.delete(gone)
        one.edit(kept)
    return kept


@holds("merges")
def test_a_record_that_was_merged_into_another_is_gone_and_the_other_is_not(source_of: SourceOf, case: Case) -> None:
    one = source_of(case)
    one.pull()
    gone, kept = one.changing()[:2]
    left = merge(one, gone, kept)
    one.pull()
    landed = one.landed()
    assert [landed[key][1] for key in (gone, left)] == [True, False]
    one.agrees()


# --- what was missed, and what is not there any more ---


@holds("missed and found by a reconcile", "own count after a reconcile")
def test_a_reconcile_finds_what_was_missed_and_counts_as_the_source_does(source_of: SourceOf, case: Case) -> None:
    one = source_of(case)
    edited, *others = pulled_up_to_last(one)[1:3]
    one.edit(edited)
    for deleted in others:
        one.delete(deleted)
    one.control.set_modified(case.name, LAST - 2 * OVERLAP, [edited, *others])  # no pull of changes looks there
    manifest = one.reconcile()
    alive = len([gone for gone in one.records().values() if not gone])
    assert (manifest.live_records, manifest.rows > 0) == (alive, True)
    assert manifest.source_count == (alive if case.is_asked("own count after a reconcile") else None)
    one.agrees()
    assert one.reconcile().rows == 0


WITHOUT = ("merged_ids", "merged_into", "phone", "mobile_phone", "country")  # what a pull goes on without


def mapped(case: Case) -> list[str]:
    """The fields of a stream without which it is not pulled."""
    if case.source == "hubspot":
        return required(case.stream)  # some others are not in every account
    paths = " ".join(path for name, path in case.stream.fields.items() if name not in WITHOUT)
    if case.source == "zendesk":
        return re.findall(r"(?:\[id=|custom_ticket_fields\.)([0-9]+)", paths)
    return re.findall(r"\$\.(\w+)(?: |$)", paths)


def vanish(one: Source, names: Sequence[str], patch: pytest.MonkeyPatch) -> None:
    """An administrator deletes fields."""
    match one.case.source:
        case "salesforce":
            SalesforceControl.of(one.control).hide(*(f"{one.case.name}.{name}" for name in names))
        case "hubspot":
            known = initial_properties()
            left = {name: one for name, one in known[one.case.name].items() if name not in names}
            patch.setattr("sandbox.hubspot.properties.initial_properties", lambda: {**known, one.case.name: left})
            one.control.reset()
        case "zendesk":
            left = [field for field in fields.TICKET_FIELDS if str(field[0]) not in names]
            patch.setattr("sandbox.zendesk.fields.TICKET_FIELDS", left)


# Zendesk hides no field of a user.
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.source != "zendesk" and {"phone", "country"} & case.stream.fields.keys()],
    ids=str,
)
def test_phones_and_countries_that_the_user_may_not_see_stop_no_pull(
    source_of: SourceOf, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    one = source_of(case)
    one.pull()
    before = one.landed()
    paths = [path for name, path in case.stream.fields.items() if name in ("phone", "mobile_phone", "country")]
    vanish(one, [path.rpartition(".")[2] for path in paths], monkeypatch)

    one.land(one.connect().pull(one.stream, {}, OVERLAP))

    assert one.landed().keys() == before.keys()


@holds("a mapped field vanishes")
def test_a_mapped_field_that_vanished_is_named_and_leaves_what_was_landed(
    source_of: SourceOf, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    one, names = source_of(case), mapped(case)
    assert names
    one.pull()
    before, cursor = one.landed(), one.cursor()
    vanish(one, names, monkeypatch)
    for since in ({}, cursor):
        with pytest.raises(ConfigError) as error:
            one.land(one.connect().pull(one.stream, since, OVERLAP))
        assert [name for name in names if name not in str(error.value)] == []
        assert (one.landed(), one.cursor()) == (before, cursor)


def with_more(said: Any) -> Any:
    """A part of an answer in which everything that has an id has one more field."""
    if isinstance(said, list):
        return [with_more(one) for one in said]
    if not isinstance(said, dict):
        return said
    more = {"unknown_field": "new"} if said.keys() & {"id", "Id"} else {}
    return {name: with_more(one) for name, one in said.items()} | more


@holds("an unknown field comes")
def test_a_field_that_nobody_knows_stays_in_the_payload(
    source_of: SourceOf, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    one, render = source_of(case), JSONResponse.render
    known = one.served()
    monkeypatch.setattr(JSONResponse, "render", lambda answer, content: render(answer, with_more(content)))
    served = one.served()
    assert served.keys() == known.keys()
    for record_id, (_, _, payload) in served.items():
        told = json.loads(payload)
        assert told.pop("unknown_field") == "new"
        assert told.keys() == json.loads(known[record_id][2]).keys()
