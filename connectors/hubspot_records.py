"""How rows of HubSpot become records: version, archived or merged away, associated with whom. No requests here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from connectors import http
from connectors.base import Record
from connectors.errors import FatalError
from connectors.hubspot_client import TITLE
from connectors.hubspot_links import Links, is_primary_by_name, links_of
from connectors.hubspot_streams import MERGED, MERGED_INTO
from connectors.values import parse_moment

Row = dict[str, Any]


def ids_of(rows: Sequence[Row], doing: str) -> list[str]:
    """The id of each row. Raises ``FatalError`` where one has none."""
    with _readable(doing):
        return [str(int(row["id"])) for row in rows]


def records_of(rows: Sequence[Row], doing: str) -> list[Record]:
    """The records of a page and, as deleted, those that were merged into them, which HubSpot does not serve any more.

    A version is the time of the last change, also of an archived record: one that is restored may come back with the
    time it had before, and must not look older than its own deletion. The later load then decides.
    """
    with _readable(doing):
        return [record for row in rows for record in (_record(row), *_merged_into(row))]


def archived_after(rows: Sequence[Row], moment: datetime, doing: str) -> list[Row]:
    """The rows that were archived or changed at a moment or later; archiving need not count as a change."""
    with _readable(doing):
        return [row for row in rows if max(parse_moment(row.get("archivedAt") or row["updatedAt"]), _at(row)) >= moment]


def listed_links(rows: Sequence[Row], stream: str, other: str, doing: str) -> dict[str, Links]:
    """What a list says of the associations of each row, row id -> links. Rows with more to say are left out."""
    with _readable(doing):
        said: Mapping[str, Any] = {
            str(int(row["id"])): (row.get("associations") or {}).get(other, {"results": []}) for row in rows
        }
        return {
            key: links_of((one["id"], is_primary_by_name(stream, one)) for one in part["results"])
            for key, part in said.items()
            if not _goes_on(part)
        }


def named_by(row: Row, name: str | None) -> str | None:
    """The id that a property of a row holds."""
    value = str(row["properties"].get(name) or "") if name else ""
    return value if value.isdigit() else None


def _record(row: Row) -> Record:
    return Record(str(int(row["id"])), http.compact(_in_order(row)), _at(row), bool(row.get("archived")))


def _merged_into(row: Row) -> list[Record]:
    """The records that the row's record replaced: a merge makes a record with an id of its own."""
    kept = str(int(row["id"]))
    gone = [str(int(one)) for one in str(row["properties"].get(MERGED) or "").split(";") if one.strip()]
    return [
        Record(one, http.compact({"id": one, "archived": True, MERGED_INTO: kept}), _at(row), is_deleted=True)
        for one in dict.fromkeys(gone)
        if one != kept
    ]


def _in_order(row: Row) -> Row:
    """Keys in one order, so that what a list and what a search serve of a record is the same text."""
    return {key: _in_order(row[key]) if key == "properties" else row[key] for key in sorted(row)}


def _at(row: Mapping[str, Any]) -> datetime:
    return parse_moment(row["updatedAt"])


def _goes_on(part: Mapping[str, Any]) -> bool:
    return bool(part.get("paging"))


@contextmanager
def _readable(doing: str) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError):
        raise FatalError(f"{TITLE} served a record without id or time when {doing}; nothing of it was kept.") from None
