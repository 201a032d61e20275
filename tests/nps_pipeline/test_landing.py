"""The landing zone: what a load looks like, what lands and what is counted instead."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.base import Page, Record
from nps_pipeline.home import Home
from nps_pipeline.landing import (
    LandedFile,
    Load,
    land,
    list_loads,
    verify,
)
from tests.nps_pipeline.loads import (
    RETAIL,
    loaded,
    many,
    payloads,
    pull,
    record,
    rows,
    scratch,
)

FILE = LandedFile("retail_2026.csv", "5" * 64, 1234)
MANIFEST_TYPES: dict[str, type | tuple[type, ...]] = {
    "schema_version": int,
    "load_id": str,
    "load_seq": int,
    "source": str,
    "stream": str,
    "mode": str,
    "cursor_before": dict,
    "cursor_after": dict,
    "rows": int,
    "reread_rows": int,
    "deleted_rows": int,
    "source_count": (int, type(None)),
    "requests": int,
    "bytes": int,
    "started_at": str,
    "finished_at": str,
    "connector_version": str,
    "mapping_hash": str,
    "parts": list,
    "file": (dict, type(None)),
    "replaces": list,
    "api_budget": (dict, type(None)),
    "live_records": (int, type(None)),
    "live_before": (int, type(None)),
    "late_rows": (int, type(None)),
    "unlisted_rows": (int, type(None)),
    "is_drained": bool,
}
PART_COLUMNS = pa.schema(
    [
        ("record_id", pa.string()),
        ("payload", pa.string()),
        ("source_version", pa.timestamp("us", tz="UTC")),
        ("is_deleted", pa.bool_()),
        ("row_no", pa.int64()),
        ("extracted_at", pa.timestamp("us", tz="UTC")),
    ]
)


def manifest_of(load: Load) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((load.path / "manifest.json").read_text(encoding="utf-8"))
    return document


# --- layout ----------------------------------------------------------------------------------------------------------


def test_a_load_is_one_directory_named_by_its_sequence_and_id(home: Home) -> None:
    load = loaded(pull(home, record("a"), record("b")))
    assert load.path.parent == home.landing / "files" / "retail"
    assert re.fullmatch(r"00000001-\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}", load.path.name)
    assert sorted(path.name for path in load.path.iterdir()) == ["manifest.json", "part-00000.parquet"]
    assert scratch(home) == []


def test_the_manifest_has_the_designed_keys_and_types(home: Home) -> None:
    pull(home, record("a"), cursor={"offset": 1})
    result = land(
        home,
        dataclasses.replace(RETAIL, file=FILE, source_count=lambda: 7, mode="full"),
        many([[record("a"), record("b")], [record("c", deleted=True)]], {"offset": 3}),
    )
    load = loaded(result)
    document = manifest_of(load)
    assert document.keys() == MANIFEST_TYPES.keys()
    assert {key for key, value in document.items() if not isinstance(value, MANIFEST_TYPES[key])} == set()
    (part,) = document.pop("parts")
    assert part == {"name": "part-00000.parquet", "rows": 2, "sha256": part["sha256"]}
    assert re.fullmatch(r"[0-9a-f]{64}", part["sha256"])
    started, finished = (datetime.fromisoformat(document.pop(key)) for key in ("started_at", "finished_at"))
    assert started.utcoffset() == timedelta(0)
    assert timedelta(0) <= finished - started < timedelta(minutes=1)
    assert document == {
        "schema_version": 1,
        "load_id": load.path.name.partition("-")[2],
        "load_seq": 2,
        "source": "files",
        "stream": "retail",
        "mode": "full",
        "cursor_before": {"offset": 1},
        "cursor_after": {"offset": 3},
        "rows": 2,
        "reread_rows": 1,
        "deleted_rows": 1,
        "source_count": 7,
        "requests": 2,
        "bytes": 20,
        "connector_version": "1.2.3",
        "mapping_hash": "abc",
        "file": {"name": "retail_2026.csv", "sha256": "5" * 64, "bytes": 1234},
        "live_records": 2,
        "live_before": 1,
        "late_rows": None,
        "unlisted_rows": None,
        "is_drained": True,
        "replaces": [],
        "api_budget": {"limit": 100, "remaining": 98, "per": "day"},
    }


def test_a_manifest_without_a_file_says_null(home: Home) -> None:
    document = manifest_of(loaded(pull(home, record("a"))))
    assert document["file"] is None
    assert document["source_count"] is None


def test_a_part_has_the_designed_columns_also_when_reread_rows_were_taken_out(home: Home) -> None:
    first = loaded(pull(home, record("a", day=1), record("b")))
    second = loaded(pull(home, record("a", day=1), record("c", day=2)))
    assert second.manifest.reread_rows == 1
    for load in (first, second):
        assert pq.read_schema(load.parts[0]).remove_metadata() == PART_COLUMNS


def test_rows_are_numbered_over_all_pages_and_say_when_they_were_extracted(home: Home) -> None:
    before = datetime.now(UTC)
    load = loaded(land(home, RETAIL, many([[record("a"), record("b")], [], [record("c")]])))
    landed = rows(load)
    assert [(row["row_no"], row["record_id"]) for row in landed] == [(0, "a"), (1, "b"), (2, "c")]
    assert {row["extracted_at"] for row in landed} == {datetime.fromisoformat(load.manifest.started_at)}
    assert before <= landed[0]["extracted_at"] <= datetime.now(UTC)


def test_a_row_keeps_its_text_and_its_version_in_utc(home: Home) -> None:
    payload = '{"comment": "très bien 👍 \\u0000 \'quoted\'"}'
    paris = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=1)))
    (row,) = rows(loaded(pull(home, Record("é/1", payload, paris, True))))
    assert (row["record_id"], row["payload"], row["is_deleted"]) == ("é/1", payload, True)
    assert row["source_version"] == datetime(2026, 1, 1, 0, 30, tzinfo=UTC)


def test_loads_are_listed_by_source_stream_and_sequence(home: Home) -> None:
    pull(home, record("a"))
    pull(home, record("a"), stream="other")
    for number in range(10):
        pull(home, record("a", str(number)))
    pull(home, record("a"), source="hubspot", stream="answers")
    places = [(load.manifest.source, load.manifest.stream, load.manifest.load_seq) for load in list_loads(home)]
    assert places == [
        ("files", "other", 1),
        *[("files", "retail", number) for number in range(1, 12)],
        ("hubspot", "answers", 1),
    ]
    assert len(list_loads(home, "files")) == 12
    assert len(list_loads(home, "files", "retail")) == 11
    assert len(list_loads(home, stream="answers")) == 1
    assert list_loads(home, "zendesk") == []


def test_every_load_has_an_id_of_its_own(home: Home) -> None:
    loads = [loaded(pull(home, record("a", str(number)))) for number in range(5)]
    loads += [loaded(pull(home, record("a", str(number)), stream="other")) for number in range(5)]
    assert len({load.manifest.load_id for load in loads}) == 10


def test_landing_returns_the_load_as_it_is_listed(home: Home) -> None:
    first = loaded(pull(home, record("a")))
    second = loaded(pull(home, record("b"), file=FILE, replaces=(first.manifest.load_id,), cursor={"to": [1, "x"]}))
    assert list_loads(home) == [first, second]
    assert second.parts == [second.path / "part-00000.parquet"]


# --- cursors ---------------------------------------------------------------------------------------------------------


def test_no_row_but_a_moved_cursor_is_a_manifest_alone(home: Home) -> None:
    pull(home, record("a"), cursor={"to": 1})
    load = loaded(pull(home, record("a"), cursor={"to": 2}))
    assert [path.name for path in load.path.iterdir()] == ["manifest.json"]
    assert (load.manifest.rows, load.manifest.reread_rows, load.parts) == (0, 1, [])
    assert (load.manifest.cursor_before, load.manifest.cursor_after) == ({"to": 1}, {"to": 2})
    verify(load)


@pytest.mark.parametrize("cursor", [{"to": 1}, {}])
def test_nothing_new_makes_no_load(home: Home, cursor: dict[str, Any]) -> None:
    first = loaded(pull(home, record("a"), record("b"), cursor={"to": 1}))
    result = pull(home, record("a"), record("b"), cursor=cursor)
    assert (result.load, result.reread_rows) == (None, 2)
    assert list_loads(home) == [first]
    assert scratch(home) == []


def test_a_first_pull_of_nothing_makes_no_load(home: Home) -> None:
    assert land(home, RETAIL, []).load is None
    assert pull(home).load is None
    assert list_loads(home) == []


def test_the_cursor_of_the_last_page_that_has_one_counts_and_else_the_last_load_s(home: Home) -> None:
    pages = [Page([record("a")], {"to": 1}), Page([record("b")], {"to": 2}), Page([record("c")])]
    assert loaded(land(home, RETAIL, pages)).manifest.cursor_after == {"to": 2}
    carried = loaded(pull(home, record("d"))).manifest
    assert (carried.cursor_before, carried.cursor_after) == ({"to": 2}, {"to": 2})


# --- re-read rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [record("a", "1", 1), record("a", "1"), record("a", "1", 1, deleted=True)])
def test_a_row_like_its_records_latest_version_is_counted_and_not_landed(home: Home, first: Record) -> None:
    pull(home, first)
    load = loaded(pull(home, first, record("b", "1", 1)))
    assert payloads(load) == [("b", "1")]
    assert (load.manifest.rows, load.manifest.reread_rows, load.manifest.deleted_rows) == (1, 1, 0)


@pytest.mark.parametrize(
    "changed",
    [
        record("a", "2", 1),
        record("a", "1", 2),
        record("a", "1"),
        record("a", "1", 1, deleted=True),
        record("A", "1", 1),
    ],
    ids=["payload", "version", "no version", "deleted", "record_id"],
)
def test_a_row_that_differs_in_one_thing_lands(home: Home, changed: Record) -> None:
    pull(home, record("a", "1", 1))
    result = pull(home, changed)
    assert result.reread_rows == 0
    assert payloads(loaded(result)) == [(changed.record_id, changed.payload)]


def test_an_old_version_that_comes_back_lands(home: Home) -> None:
    for payload in ("old", "new", "old"):
        assert payloads(loaded(pull(home, record("a", payload)))) == [("a", payload)]
    assert pull(home, record("a", "old")).load is None


def test_the_latest_version_is_by_the_source_s_own_time_before_the_load(home: Home) -> None:
    pull(home, record("a", "new", 2))
    pull(home, record("a", "late arrival", 1))
    assert pull(home, record("a", "new", 2)).load is None
    assert pull(home, record("a", "late arrival", 1)).load is not None


def test_a_version_with_a_time_is_later_than_one_without(home: Home) -> None:
    pull(home, record("a", "timed", 1))
    pull(home, record("a", "timeless"))
    assert pull(home, record("a", "timed", 1)).load is None


def test_of_two_versions_of_the_same_age_the_one_landed_later_is_the_latest(home: Home) -> None:
    pull(home, record("b"), record("a", "1"), record("a", "2"))
    assert pull(home, record("a", "2")).load is None
    pull(home, record("a", "3"))
    assert pull(home, record("a", "3")).load is None


def test_deletes_land_and_are_counted_once(home: Home) -> None:
    pull(home, record("a", "1", 1), record("b", "1", 1))
    gone = record("a", "1", 2, deleted=True)
    load = loaded(pull(home, gone))
    assert (load.manifest.rows, load.manifest.deleted_rows) == (1, 1)
    again = loaded(pull(home, gone, record("b", "1", 2, deleted=True)))
    assert (again.manifest.rows, again.manifest.reread_rows, again.manifest.deleted_rows) == (1, 1, 1)


def test_identical_rows_of_one_load_all_land_and_are_all_counted_when_read_again(home: Home) -> None:
    twice = [record("a", "1", 1), record("a", "1", 1)]
    assert len(rows(loaded(pull(home, *twice)))) == 2
    assert pull(home, *twice).reread_rows == 2


def test_a_row_lands_again_when_its_own_load_brings_another_version_of_the_same_age_before_it(home: Home) -> None:
    """Else the other version, landed later, would become the current one at every second reading of a file."""
    both = [record("a", "first row"), record("a", "last row")]
    pull(home, *both)
    assert payloads(loaded(pull(home, *both))) == [("a", "first row"), ("a", "last row")]


def test_rows_are_judged_within_their_own_stream(home: Home) -> None:
    pull(home, record("a"))
    assert pull(home, record("a"), stream="other").reread_rows == 0
    assert pull(home, record("a"), source="hubspot").reread_rows == 0


def test_a_home_with_a_strange_path_is_read_like_any_other(tmp_path: Path) -> None:
    home = Home(tmp_path / "it's [odd] *?{1} é 100%")
    pull(home, record("a"))
    load = loaded(pull(home, record("a"), record("b")))
    assert (payloads(load), load.manifest.reread_rows) == ([("b", "{}")], 1)


# --- replaced loads --------------------------------------------------------------------------------------------------


def test_a_load_that_replaces_others_lands_every_row_even_an_equal_one(home: Home) -> None:
    wrong = loaded(pull(home, record("a"), record("b", "wrong")))
    load = loaded(pull(home, record("a"), record("b"), replaces=(wrong.manifest.load_id,)))
    assert payloads(load) == [("a", "{}"), ("b", "{}")]
    assert load.manifest.reread_rows == 0
    assert load.manifest.replaces == (wrong.manifest.load_id,)


def test_a_load_that_replaces_another_and_brings_nothing_still_is_a_load(home: Home) -> None:
    wrong = loaded(pull(home, record("a")))
    load = loaded(pull(home, replaces=(wrong.manifest.load_id,)))
    assert (load.manifest.rows, load.parts) == (0, [])


def test_a_replaced_row_that_is_served_again_lands(home: Home) -> None:
    wrong = loaded(pull(home, record("a"), record("b")))
    pull(home, record("a"), replaces=(wrong.manifest.load_id,))
    later = pull(home, record("a"), record("b"))
    assert payloads(loaded(later)) == [("b", "{}")]
    assert later.reread_rows == 1


def test_a_row_replaced_from_another_stream_lands_when_it_is_served_again(home: Home) -> None:
    wrong = loaded(pull(home, record("a")))
    pull(home, record("a"), stream="renamed", replaces=(wrong.manifest.load_id,))
    assert payloads(loaded(pull(home, record("a")))) == [("a", "{}")]
