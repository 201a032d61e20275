"""Records in memory with their times, which every write advances. What a record holds is each CRM's business."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(slots=True)
class Record:
    """One record of a CRM; times are UTC. A deleted record stays, as it does in the real systems.

    Values are replaced, never changed in place.
    """

    record_id: str
    fields: dict[str, Any]
    created: datetime
    modified: datetime
    deleted: datetime | None = None

    def copy(self) -> Record:
        """The same, which can be written to by itself."""
        return Record(self.record_id, dict(self.fields), self.created, self.modified, self.deleted)


Tables = Mapping[str, Iterable[Record]]


def utc_now() -> datetime:
    """The present, with time zone."""
    return datetime.now(UTC)


class Store:
    """The tables of one CRM: read, written, deleted, reset, dumped. Used from one event loop, so it needs no locks."""

    def __init__(self, tables: Tables, *, whole_seconds: bool, clock: Callable[[], datetime] = utc_now) -> None:
        self._initial = {name: list(records) for name, records in tables.items()}
        self._whole_seconds = whole_seconds
        self._clock = clock
        self._tables: dict[str, dict[str, Record]] = {}
        self._latest = datetime.min.replace(tzinfo=UTC)
        self.reset()

    def reset(self) -> None:
        """Go back to the state of the start."""
        self._tables = {
            name: {record.record_id: record.copy() for record in records} for name, records in self._initial.items()
        }
        stamps = (record.modified for table in self._tables.values() for record in table.values())
        self._latest = max(stamps, default=self._latest)

    def now(self) -> datetime:
        """The server's time: never before a stamp that it has given already, in the precision the CRM keeps."""
        precision = 0 if self._whole_seconds else 1000
        moment = self._clock()
        moment = moment.replace(microsecond=moment.microsecond // precision * precision if precision else 0)
        self._latest = max(moment, self._latest)
        return self._latest

    def tables(self) -> list[str]:
        """The names of the tables."""
        return list(self._tables)

    def everything(self, table: str) -> list[Record]:
        """All records of a table, deleted ones included."""
        return list(self._tables[table].values())

    def live(self, table: str) -> list[Record]:
        """The records of a table that are not deleted."""
        return [record for record in self._tables[table].values() if record.deleted is None]

    def find(self, table: str, record_id: str) -> Record | None:
        """A record, deleted or not; None where there never was one."""
        return self._tables[table].get(record_id)

    def find_live(self, table: str, record_id: str) -> Record | None:
        """A record that is not deleted, or None."""
        record = self.find(table, record_id)
        return record if record is not None and record.deleted is None else None

    def write(self, record: Record, changes: Mapping[str, Any]) -> None:
        """Set fields and advance the record's modification time, also where the values are those it had."""
        record.fields.update(changes)
        record.modified = self.now()

    def write_differences(self, record: Record, changes: Mapping[str, Any]) -> None:
        """Set fields; a write of the values that are there already leaves the modification time alone."""
        if any(record.fields.get(name) != value for name, value in changes.items()):
            self.write(record, changes)

    def add(self, table: str, record_id: str, fields: Mapping[str, Any]) -> Record:
        """Add a record that is created and modified now."""
        moment = self.now()
        record = Record(record_id, dict(fields), created=moment, modified=moment)
        self._tables[table][record_id] = record
        return record

    def delete(self, record: Record) -> None:
        """Mark a record as deleted; deletion is a modification."""
        record.modified = self.now()
        record.deleted = record.modified

    def dump(self, tables: Iterable[str]) -> dict[str, dict[str, dict[str, Any]]]:
        """Some tables as JSON-ready data: table -> record id -> fields and times."""
        return {name: {key: _as_json(record) for key, record in self._tables[name].items()} for name in tables}


def _as_json(record: Record) -> dict[str, Any]:
    return {
        "fields": record.fields,
        "created": record.created.isoformat(),
        "modified": record.modified.isoformat(),
        "deleted": record.deleted.isoformat() if record.deleted else None,
    }
