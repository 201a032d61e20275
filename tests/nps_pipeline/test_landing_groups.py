"""What was landed is compared in groups of records: whatever their size, the same is found."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from connectors.base import Page, Record
from nps_pipeline.home import Home
from nps_pipeline.landing import land, list_loads
from tests.nps_pipeline.loads import RETAIL, loaded, record, rows, version

LIVE = [record(f"{number:02d}'", "{1}", 1) for number in range(40)]
DEAD = [record(f"x{number}", "{1}", 1, deleted=True) for number in range(3)]
EDITED = [record(one.record_id, "{2}", 3) for one in LIVE[:5]]
LATE = [record(f"late{number}", "{1}", 2) for number in range(2)]
SERVED = [*EDITED, *LIVE[5:30], *LATE, *DEAD[:1]]


@pytest.fixture(params=[1, 7, 1_000_000], ids=lambda size: f"group of {size}")
def home(home: Home, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr("nps_pipeline.comparison._GROUP", request.param)
    monkeypatch.setattr("nps_pipeline.comparison._ROWS", 4)
    return home


def pulled(home: Home, mode: Any, *pages: Sequence[Record], **facts: Any) -> Any:
    request = dataclasses.replace(RETAIL, mode=mode, **facts)
    cursors = [{"to": len(list_loads(home)) + number} for number in range(1, len(pages) + 1)]
    return land(home, request, [Page(page, cursor) for page, cursor in zip(pages, cursors, strict=True)], every=20)


def test_a_reconcile_finds_what_changed_what_was_missed_and_what_is_gone(home: Home) -> None:
    asked = list[Sequence[str]]()

    def gone(ids: Sequence[str]) -> list[str]:
        asked.append(ids)
        return [one for one in ids if one != "39'"]  # which a list missed

    pulled(home, "full", LIVE, DEAD)
    result = pulled(home, "reconcile", SERVED[:20], SERVED[20:], pulled_until=version(3), gone=gone)
    load = loaded(result)
    assert sorted(one for ids in asked for one in ids) == [f"{number}'" for number in range(30, 40)]
    assert max(map(len, asked)) <= 4
    landed = rows(load)
    assert {row["record_id"]: row["is_deleted"] for row in landed} == {
        **{one.record_id: False for one in [*EDITED, *LATE]},
        **{f"{number}'": True for number in range(30, 39)},
    }
    assert [row["row_no"] for row in landed if row["is_deleted"]] == [*range(len(SERVED), len(SERVED) + 9)]
    manifest = load.manifest
    assert (manifest.rows, manifest.reread_rows, manifest.deleted_rows) == (5 + 2 + 9, 25 + 1, 9)
    assert (manifest.live_before, manifest.live_records) == (40, 32)
    assert (manifest.late_rows, manifest.unlisted_rows) == (2, 9)


def test_changes_are_compared_with_the_latest_version_of_each_record(home: Home) -> None:
    pulled(home, "full", LIVE, DEAD)
    pulled(home, "incremental", EDITED)
    result = pulled(home, "incremental", [*EDITED, *LIVE[:7], *LATE])
    assert {row["record_id"] for row in rows(loaded(result))} == {one.record_id for one in [*LIVE[:5], *LATE]}
    assert result.reread_rows == 7


def test_what_a_long_pull_lists_is_counted_over_all_its_loads(home: Home) -> None:
    pulled(home, "full", LIVE[:10], DEAD)
    result = pulled(home, "full", LIVE[:20], LIVE[20:], EDITED, [record("00'", "{3}", 4, deleted=True)], DEAD)
    assert len(result.loads) > 2
    manifest = loaded(result).manifest
    assert (manifest.live_records, manifest.live_before) == (39, 10)
