"""Short words for the tests of the landing zone: records, pulls, and what was landed."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from connectors.base import Budget, Page, Record
from nps_pipeline.home import Home
from nps_pipeline.landing import LandingResult, Load, LoadRequest, land, list_loads, verify

Start = Callable[..., subprocess.Popen[str]]
ROOT = Path(__file__).resolve().parents[2]
RETAIL = LoadRequest(source="files", stream="retail", mode="file", connector_version="1.2.3", mapping_hash="abc")


def version(day: int) -> datetime:
    """A source's own timestamp."""
    return datetime(2026, 1, day, tzinfo=UTC)


def record(record_id: str, payload: str = "{}", day: int | None = None, *, deleted: bool = False) -> Record:
    """A record whose version is a day of January, or none."""
    return Record(record_id, payload, version(day) if day else None, deleted)


def pull(home: Home, *records: Record, cursor: Mapping[str, Any] | None = None, **facts: Any) -> LandingResult:
    """Land one page of records; ``facts`` change the request."""
    return land(home, dataclasses.replace(RETAIL, **facts), [Page(records, cursor or {}, requests=1, bytes=10)])


def loaded(result: LandingResult) -> Load:
    """The load that a pull is known to have made."""
    assert result.load is not None
    return result.load


def rows(load: Load) -> list[dict[str, Any]]:
    """The landed rows of a load, in the order in which they were served."""
    tables = [pq.read_table(part).to_pylist() for part in load.parts]
    return sorted((row for table in tables for row in table), key=lambda row: row["row_no"])


def payloads(load: Load) -> list[tuple[str, str]]:
    """The landed rows of a load as (record_id, payload)."""
    return [(row["record_id"], row["payload"]) for row in rows(load)]


def scratch(home: Home) -> list[str]:
    """What lies in the scratch directory."""
    return sorted(path.name for path in (home.landing / ".tmp").glob("*"))


def state(home: Home) -> list[dict[str, Any]]:
    """All that two runs of the same pulls must have in common, proved to be whole; JSON values only."""
    loads = list_loads(home)
    for load in loads:
        verify(load)
    return [
        {
            "stream": f"{load.manifest.source}/{load.manifest.stream}",
            "load_seq": load.manifest.load_seq,
            "cursor": [dict(load.manifest.cursor_before), dict(load.manifest.cursor_after)],
            "counts": [load.manifest.rows, load.manifest.reread_rows, load.manifest.deleted_rows],
            "replaces": [
                other.manifest.load_seq for other in loads if other.manifest.load_id in load.manifest.replaces
            ],
            "files": sorted(path.name for path in load.path.iterdir()),
            "rows": [
                [row["record_id"], row["payload"], str(row["source_version"]), row["is_deleted"], row["row_no"]]
                for row in rows(load)
            ],
        }
        for load in loads
    ]


def wait_for(path: Path, seconds: float = 20) -> None:
    """Wait until another process has made a file."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not appear"
        time.sleep(0.01)


def many(pages: Iterable[Iterable[Record]], cursor: Mapping[str, Any] | None = None) -> list[Page]:
    """Several pages, the last with a cursor."""
    drawn = [
        Page(list(records), requests=1, bytes=10, budget=Budget(100, 99 - number, "day"))
        for number, records in enumerate(pages)
    ]
    return [*drawn[:-1], dataclasses.replace(drawn[-1], cursor=cursor or {})]
