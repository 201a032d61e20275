"""A long pull is several loads: what each of them holds, what an error leaves, and what only the last one may say."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from connectors.base import Page, Record
from connectors.errors import RecordError, RetryableError
from nps_pipeline.home import Home
from nps_pipeline.landing import land, land_in_parts, list_loads, total
from nps_pipeline.manifest import Manifest
from tests.nps_pipeline.loads import RETAIL, loaded, payloads, pull, record, rows, scratch

FULL = dataclasses.replace(RETAIL, mode="full", mapping_hash="m1")
CHANGES = dataclasses.replace(FULL, mode="incremental")
RECONCILE = dataclasses.replace(FULL, mode="reconcile")


def page(*records: Record, to: int | None = None) -> Page:
    return Page(records, {"to": to} if to else {}, requests=1, bytes=10)


def cut_off(*pages: Page) -> Iterator[Page]:
    yield from pages
    raise RetryableError("the day is over")


def manifests(home: Home) -> list[Manifest]:
    return [load.manifest for load in list_loads(home)]


def said(home: Home, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(manifest, name) for name in names) for manifest in manifests(home)]


A, B, C, D, E = (record(name, day=number) for number, name in enumerate("abcde", 1))
LONG = (page(A, to=1), page(B, to=2), page(C), page(D, to=4), page(E, to=5))


# --- on the way -----------------------------------------------------------------------------------------------------


def test_a_load_is_committed_at_the_first_page_with_a_cursor_after_enough_records(home: Home) -> None:
    result = land(home, FULL, LONG, every=2)
    assert [[one for one, _ in payloads(load)] for load in list_loads(home)] == [["a", "b"], ["c", "d"], ["e"]]
    assert said(home, "load_seq", "cursor_before", "cursor_after", "requests") == [
        (1, {}, {"to": 2}, 2),
        (2, {"to": 2}, {"to": 4}, 2),
        (3, {"to": 4}, {"to": 5}, 1),
    ]
    assert (list(result.loads), result.rows, result.requests) == (list_loads(home), 5, 5)
    assert [row["row_no"] for load in list_loads(home) for row in rows(load)] == [0, 1, 0, 1, 0]
    assert scratch(home) == []


def test_each_load_is_there_before_the_next_page_is_asked_for(home: Home) -> None:
    there = list[int]()

    def pages() -> Iterator[Page]:
        for one in LONG:
            there.append(len(list_loads(home)))
            yield one

    land(home, FULL, pages(), every=2)
    assert there == [0, 0, 1, 1, 2]


def test_only_the_last_load_is_drained_and_the_listing_of_all(home: Home) -> None:
    gone = record("a", day=6, deleted=True)
    land(home, FULL, (*LONG, page(gone, to=6), page(record("b", "{2}", 7), to=7)), every=2)
    assert said(home, "mode", "is_drained", "live_records", "live_before") == [
        ("incremental", False, None, None),
        ("incremental", False, None, None),
        ("incremental", False, None, None),
        ("full", True, 4, 0),
    ]


def test_what_was_landed_before_is_listed_too_and_lived_before(home: Home) -> None:
    pull(home, A, B, record("z"), mode="full", mapping_hash="m0", cursor={"to": 9})
    land(home, FULL, LONG, every=2)
    assert said(home, "rows", "reread_rows", "live_records", "live_before")[1:] == [
        (0, 2, None, None),
        (2, 0, None, None),
        (1, 0, 5, 3),
    ]
    assert [manifest.cursor_after for manifest in manifests(home)] == [{"to": 9}, {"to": 2}, {"to": 4}, {"to": 5}]


def test_a_pull_that_ends_with_a_part_is_said_to_be_whole_by_a_load_of_its_own(home: Home) -> None:
    land(home, FULL, LONG[:2], every=2)
    assert said(home, "rows", "is_drained", "mode", "live_records") == [
        (2, False, "incremental", None),
        (0, True, "full", 2),
    ]
    assert list_loads(home)[1].parts == []


def test_a_record_that_comes_again_in_a_later_part_is_landed_once(home: Home) -> None:
    result = land(home, CHANGES, (page(A, to=1), page(A, B, to=2)), every=1)
    assert [payloads(load) for load in result.loads] == [[("a", "{}")], [("b", "{}")], []]
    assert result.reread_rows == 1


def test_a_part_with_nothing_new_and_no_new_cursor_is_no_load(home: Home) -> None:
    pull(home, A, mode="full", mapping_hash="m1", cursor={"to": 1})
    land(home, CHANGES, (page(A, to=1), page(A, to=1), page(B, to=2)), every=1)
    assert [manifest.rows for manifest in manifests(home)] == [1, 1, 0]


@pytest.mark.parametrize("request_", [RETAIL, RECONCILE], ids=lambda one: one.mode)
def test_a_file_and_a_reconcile_are_one_load(home: Home, request_: Any) -> None:
    result = land(home, request_, LONG, every=1)
    assert [load.manifest.is_drained for load in result.loads] == [True]
    assert result.rows == 5


# --- an error ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [2, 3, 100])
def test_an_error_leaves_what_came_up_to_the_last_page_with_a_cursor(home: Home, every: int) -> None:
    with pytest.raises(RetryableError, match="the day is over"):
        land(home, FULL, cut_off(*LONG[:3]), every)
    (load,) = list_loads(home)
    assert [one for one, _ in payloads(load)] == ["a", "b"]
    manifest = load.manifest
    assert (manifest.rows, manifest.cursor_after, manifest.mode, manifest.is_drained) == (
        2, {"to": 2}, "incremental", False,
    )  # fmt: skip
    assert scratch(home) == []


def test_what_stands_behind_the_last_cursor_is_not_landed_also_where_it_was_written(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nps_pipeline.draft.ROW_GROUP", 1)
    gone = record("c", day=9, deleted=True)
    with pytest.raises(RetryableError):
        land(home, FULL, cut_off(page(A, to=1), page(B, gone), page(D)))
    (load,) = list_loads(home)
    assert (payloads(load), load.manifest.deleted_rows, load.manifest.parts[0].rows) == ([("a", "{}")], 0, 1)


def test_the_parts_before_an_error_are_told(home: Home) -> None:
    parts = land_in_parts(home, FULL, cut_off(*LONG), every=2)
    told = total(next(parts) for _ in range(3))
    with pytest.raises(RetryableError):
        next(parts)
    assert (told.rows, list(told.loads)) == (5, list_loads(home))


@pytest.mark.parametrize("pages", [(), (page(A), page(B))])
def test_without_a_cursor_an_error_leaves_nothing(home: Home, pages: Sequence[Page]) -> None:
    with pytest.raises(RetryableError):
        land(home, FULL, cut_off(*pages), every=1)
    assert (list_loads(home), scratch(home)) == ([], [])


@pytest.mark.parametrize("request_", [RETAIL, RECONCILE], ids=lambda one: one.mode)
def test_an_error_leaves_nothing_of_a_file_or_a_reconcile(home: Home, request_: Any) -> None:
    first = loaded(pull(home, A, B, mode="full", mapping_hash="m1", cursor={"to": 9}))
    with pytest.raises(RetryableError):
        land(home, request_, cut_off(*LONG), every=1)
    assert list_loads(home) == [first]


def test_a_file_that_cannot_be_read_to_its_end_leaves_nothing(home: Home) -> None:
    def pages() -> Iterator[Page]:
        yield page(A, to=1)
        raise RecordError("cut off")

    with pytest.raises(RecordError):
        land(home, RETAIL, pages(), every=1)
    assert list_loads(home) == []


def test_the_next_pull_goes_on_and_ends_what_was_interrupted_also_with_nothing_new(home: Home) -> None:
    with pytest.raises(RetryableError):
        land(home, FULL, cut_off(page(A, to=1), page(B, to=2)))
    pull(home, B, mode="incremental", mapping_hash="m1", cursor={"to": 2})
    assert said(home, "rows", "mode", "is_drained", "live_records") == [
        (2, "incremental", False, None),
        (0, "incremental", True, None),
    ]
    assert pull(home, B, mode="incremental", mapping_hash="m1", cursor={"to": 2}).load is None


def test_a_manifest_of_before_is_drained(home: Home) -> None:
    load = loaded(pull(home, A))
    text = (load.path / "manifest.json").read_text()
    without: Mapping[str, Any] = {k: v for k, v in json.loads(text).items() if k != "is_drained"}
    (load.path / "manifest.json").write_text(json.dumps(without))
    assert list_loads(home) == [load]
