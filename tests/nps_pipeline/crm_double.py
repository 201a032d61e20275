"""A CRM in memory behind the session that connectors offer: it stands in for the network, and fails as told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connectors.base import Change, Cursor, Kind, Page, Stream, Target, WriteResult
from tests.nps_pipeline.sync_marts import day

APPLIED_AT = day(20)


@dataclass
class Crm:
    """Records by id, the codes with which it refuses some of them, and what the next pushes raise.

    ``fails`` has an entry per push: whether it is applied and the error that it raises all the same, or None.
    ``before_push`` is called when a batch arrives.
    """

    records: dict[str, dict[str, str | None]]
    refuses: dict[str, str] = field(default_factory=dict)
    fails: list[tuple[bool, Exception] | None] = field(default_factory=list)
    unreadable: Exception | None = None
    before_push: Callable[[Sequence[Change]], None] = lambda _: None
    pushes: list[list[str]] = field(default_factory=list)
    reads: list[list[str]] = field(default_factory=list)
    closed: int = 0

    def check(self) -> None:
        """Any credentials will do."""

    def pull(self, stream: Stream, cursor: Cursor, overlap: timedelta) -> Iterator[Page]:
        raise AssertionError((stream, cursor, overlap))

    def count(self, stream: Stream) -> int | None:
        raise AssertionError(stream)

    def gone(self, stream: Stream, record_ids: Sequence[str]) -> Sequence[str]:
        raise AssertionError((stream, record_ids))

    def push(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        assert len(changes) <= target.batch_size
        self.before_push(changes)
        self.pushes.append([change.record_id for change in changes])
        applied, error = (self.fails.pop(0) if self.fails else None) or (True, None)
        results = [self._apply(change) for change in changes] if applied else []
        if error:
            raise error
        return results[::-1]

    def _apply(self, change: Change) -> WriteResult:
        code = self.refuses.get(change.record_id) or (None if change.record_id in self.records else "NOT_FOUND")
        if code is None:
            self.records[change.record_id] |= {name: value.text for name, value in change.values.items()}
        return WriteResult(change.op_id, code, None if code else APPLIED_AT)

    def read_back(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        assert len(record_ids) <= target.batch_size
        if self.unreadable:
            raise self.unreadable
        self.reads.append(list(record_ids))
        return {
            one: {name: self.records[one].get(name) for name in fields} for one in record_ids if one in self.records
        }

    def close(self) -> None:
        self.closed += 1


def empty(*record_ids: str, **values: Any) -> dict[str, dict[str, str | None]]:
    """Records with these values, or none."""
    return {record_id: dict(values) for record_id in record_ids}
