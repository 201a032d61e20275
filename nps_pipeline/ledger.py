"""The ledger: every write to a CRM, noted before it is sent, and what became of it. What to write is in ``plan``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from connectors.base import WriteResult
from nps_pipeline import ledger_file
from nps_pipeline.home import Home
from nps_pipeline.ledger_file import Connection, LedgerError
from nps_pipeline.plan import Decision, FieldChange, LastWrite, Op

State = Literal["PLANNED", "SENDING", "CONFIRMED", "REJECTED", "UNKNOWN", "SUPERSEDED"]
Clock = Callable[[], datetime]

# An op that comes back is the same change: rejected before, or undone by somebody. Whatever is in doubt stays so.
_PLAN_OP = """
insert into op (
    op_id, destination, object, record_id, publication_id, response_id, as_of, expected_json, wanted_json, state,
    attempt, epoch, planned_at
)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'PLANNED', 1, ?, ?)
on conflict (op_id) do update set
    publication_id = excluded.publication_id, response_id = excluded.response_id, as_of = excluded.as_of,
    expected_json = excluded.expected_json, wanted_json = excluded.wanted_json, state = 'PLANNED', batch_id = null,
    attempt = attempt + 1, epoch = excluded.epoch, error_code = null, planned_at = excluded.planned_at, sent_at = null,
    settled_at = null
where op.state not in ('SENDING', 'UNKNOWN')
"""
_WRITTEN = """
insert or replace into written (destination, object, record_id, field, text, as_of, op_id, written_at)
values (?, ?, ?, ?, ?, ?, ?, ?)
"""
# The answer of an op is that of its newest fields; of any other field nobody noted it.
_LAST_WRITES = """
select
    written.destination, written.object, written.record_id, written.field, written.text, written.as_of,
    written.written_at, case when op.as_of = written.as_of then op.response_id end
from written left join op using (op_id)
"""
_STORED_OP = "select op_id, destination, object, record_id, response_id, as_of, expected_json, wanted_json from op"


@dataclass(frozen=True, slots=True)
class OpenOp:
    """A write that did not succeed or of which nobody knows: whose, in which state, with which code of the CRM."""

    object: str
    record_id: str
    op_id: str
    state: State
    error_code: str | None
    attempt: int
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """The last sync of one destination: its decisions and the states of its writes by number, and what is left open.

    ``open`` also has the writes of earlier syncs that are still in doubt.
    """

    destination: str
    publication_id: str
    started_at: datetime
    decisions: Mapping[str, int]
    states: Mapping[str, int]
    open: tuple[OpenOp, ...]


def utc_now() -> datetime:
    """The present, with time zone."""
    return datetime.now(UTC)


class Ledger:
    """An open ledger. Every method that writes is one durable transaction, and refuses once a later sync has begun."""

    def __init__(self, connection: Connection, home: Home, clock: Clock) -> None:
        self._connection = connection
        self._home = home
        self._clock = clock
        self._epoch = -1

    @property
    def epoch(self) -> int:
        """The number of the sync that has begun; -1 before."""
        return self._epoch

    # --- a sync writes ---

    def begin(self, publication_id: str) -> int:
        """Begin a sync: copy the ledger to its backup and take over from any sync before.

        Returns:
            The number of this sync, its epoch.

        Raises:
            LedgerError: The file is damaged; its backup is not touched then.
        """
        ledger_file.back_up(self._connection, self._home)
        with self._transaction():
            begun = self._connection.execute(
                "insert into epoch (publication_id, started_at) values (?, ?)", (publication_id, self._now())
            )
        self._epoch = int(begun.lastrowid or 0)
        return self._epoch

    def record_plan(
        self, publication_id: str, destinations: Sequence[str], ops: Iterable[Op], decisions: Iterable[Decision]
    ) -> None:
        """Note what a sync decided and is going to send. Decisions of earlier plans stay where they led to a write.

        Args:
            publication_id: What the plan was made from.
            destinations: Whose plan it is; what was planned for them before and is no longer wanted is superseded.
            ops: What is to be sent to these.
            decisions: What was decided about these.
        """
        now, whose = self._now(), [(destination,) for destination in destinations]
        with self._writing() as ledger:
            ledger.executemany("delete from decision where op_id is null and destination = ?", whose)
            ledger.executemany(
                "insert into decision values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((self._epoch, publication_id, *_decision_row(one)) for one in decisions),
            )
            ledger.executemany(_PLAN_OP, ((*_op_row(op, publication_id), self._epoch, now) for op in ops))
            ledger.executemany(
                "update op set state = 'SUPERSEDED', settled_at = ? "
                "where destination = ? and state = 'PLANNED' and epoch < ?",
                ((now, destination, self._epoch) for destination in destinations),
            )

    def mark_sending(self, op_ids: Sequence[str], batch_id: str) -> None:
        """Note that these planned ops are about to be sent together; nothing may be sent before this returns.

        Raises:
            LedgerError: One of them is not planned.
        """
        now = self._now()
        with self._writing() as ledger:
            marked = ledger.executemany(
                "update op set state = 'SENDING', batch_id = ?, sent_at = ?, epoch = ? "
                "where op_id = ? and state = 'PLANNED'",
                [(batch_id, now, self._epoch, op_id) for op_id in op_ids],
            )
            if marked.rowcount != len(op_ids):
                raise LedgerError(
                    f"{self._home.ledger} has a write in another state than this sync left it in. Nothing of this "
                    "batch was sent; start the sync again."
                )

    def settle(self, results: Sequence[WriteResult]) -> None:
        """Note what became of ops that were sent: confirmed, with what now stands in the record, or rejected."""
        if not results:
            return
        now = self._now()
        with self._writing() as ledger:
            for result in results:
                state = "CONFIRMED" if result.error_code is None else "REJECTED"
                ledger.execute(
                    "update op set state = ?, error_code = ?, settled_at = ? where op_id = ?",
                    (state, result.error_code, now, result.op_id),
                )
                if state == "CONFIRMED":
                    written_at = _as_text(result.written_at) or now
                    (op,) = self._ops("where op_id = ?", result.op_id)
                    ledger.executemany(_WRITTEN, _written_rows(op, written_at))

    def not_sent(self, op_ids: Sequence[str]) -> None:
        """Note that none of these ops was applied nor ever will be: they are to be sent, if they are still wanted."""
        self._move(op_ids, "PLANNED")
        with self._writing() as ledger:
            ledger.executemany("update op set batch_id = null where op_id = ?", [(op_id,) for op_id in op_ids])

    def not_arrived(self, op_ids: Sequence[str]) -> None:
        """Note that these ops were sent and are not applied so far: they are to be sent, if they are still wanted."""
        self._move(op_ids, "PLANNED")

    def in_doubt(self, op_ids: Sequence[str]) -> None:
        """Note that these ops were sent and may have been applied."""
        self._move(op_ids, "UNKNOWN")

    def supersede(self, op_ids: Sequence[str]) -> None:
        """Note that something else stands in the records of these ops, or the records are gone."""
        self._move(op_ids, "SUPERSEDED")

    def doubt_all_sending(self) -> None:
        """Note that whatever an earlier sync was sending may have been applied."""
        with self._writing() as ledger:
            ledger.execute("update op set state = 'UNKNOWN' where state = 'SENDING'")

    # --- anybody reads ---

    def under_way(self) -> list[Op]:
        """The ops that were sent, were not applied when they were read back, and may have been applied since."""
        return self._ops("where state = 'PLANNED' and batch_id is not null order by destination, object, record_id")

    def unknown(self) -> list[Op]:
        """The ops of which nobody knows whether they were applied, also those that a dead sync was sending."""
        return self._ops("where state in ('UNKNOWN', 'SENDING') order by destination, object, record_id")

    def last_writes(self) -> list[LastWrite]:
        """What each destination confirmed last, per record and field."""
        return [
            LastWrite(
                *(destination, name, record_id, field, text),
                *(_as_moment(as_of), datetime.fromisoformat(written_at), response_id),
            )
            for destination, name, record_id, field, text, as_of, written_at, response_id in self._rows(_LAST_WRITES)
        ]

    def status(self) -> list[DestinationStatus]:
        """The last sync of every destination that was ever planned for."""
        last = self._rows(
            "select destination, epoch, publication_id, started_at from ("
            "select destination, max(epoch) as epoch from (select destination, epoch from decision "
            "union all select destination, epoch from op) group by destination"
            ") inner join epoch using (epoch) order by destination"
        )
        return [
            DestinationStatus(
                destination,
                publication_id,
                datetime.fromisoformat(started_at),
                decisions=self._numbers("decision", destination, epoch),
                states=self._numbers("state", destination, epoch),
                open=tuple(self._open(destination, epoch)),
            )
            for destination, epoch, publication_id, started_at in last
        ]

    def _numbers(self, what: Literal["decision", "state"], destination: str, epoch: int) -> dict[str, int]:
        table = {"decision": "decision", "state": "op"}[what]
        return dict(
            self._rows(
                f"select {what}, count(*) from {table} where destination = ? and epoch = ? group by {what}",
                destination,
                epoch,
            )
        )

    def _open(self, destination: str, epoch: int) -> list[OpenOp]:
        rows = self._rows(
            "select object, record_id, op_id, state, error_code, attempt, sent_at from op where destination = ? "
            "and (state in ('UNKNOWN', 'SENDING') or (state = 'REJECTED' and epoch = ?)) order by object, record_id",
            destination,
            epoch,
        )
        return [
            OpenOp(name, record_id, op_id, state, error_code, attempt, _as_moment(sent_at))
            for name, record_id, op_id, state, error_code, attempt, sent_at in rows
        ]

    def _ops(self, which: str, *values: Any) -> list[Op]:
        return [_stored_op(row) for row in self._rows(f"{_STORED_OP} {which}", *values)]

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def _move(self, op_ids: Sequence[str], state: State) -> None:
        if not op_ids:
            return
        settled_at = self._now() if state == "SUPERSEDED" else None
        with self._writing() as ledger:
            ledger.executemany(
                "update op set state = ?, settled_at = ? where op_id = ?",
                [(state, settled_at, op_id) for op_id in op_ids],
            )

    def _now(self) -> str:
        return str(_as_text(self._clock()))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction of the sync that began last; one that was overtaken may not write any more."""
        with self._transaction():
            if self._rows("select max(epoch) from epoch") != [(self._epoch,)]:
                raise LedgerError(
                    f"A later sync has begun on {self._home.ledger}, so this one stopped; what it had sent is read "
                    "back by the later one. See `nps status`."
                )
            yield self._connection


@contextmanager
def open_ledger(home: Home, clock: Clock = utc_now) -> Iterator[Ledger]:
    """The ledger of this home for a sync; made if there was none.

    Raises:
        LedgerError: It is damaged, locked, lost, or of a newer version; also when that shows only later.
    """
    with ledger_file.to_write(home) as connection:
        yield Ledger(connection, home, clock)


@contextmanager
def read_ledger(home: Home) -> Iterator[Ledger | None]:
    """The ledger of this home for reading, also while a sync writes; None before the first sync.

    Raises:
        LedgerError: See ``open_ledger``.
    """
    with ledger_file.to_read(home) as connection:
        yield None if connection is None else Ledger(connection, home, utc_now)


def _as_text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="microseconds") if moment else None


def _as_moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _decision_row(one: Decision) -> tuple[str | None, ...]:
    place = (one.destination, one.object, one.record_id, one.field)
    return (*place, one.old, one.new, one.decision, one.reason, one.response_id, one.op_id)


def _op_row(op: Op, publication_id: str) -> tuple[str | None, ...]:
    wanted = {
        name: {"kind": change.kind, "text": change.text, "as_of": _as_text(change.as_of)}
        for name, change in op.fields.items()
    }
    place = (op.op_id, op.destination, op.object, op.record_id, publication_id, op.response_id, _as_text(op.as_of))
    return (*place, json.dumps(op.expected, ensure_ascii=False), json.dumps(wanted, ensure_ascii=False))


def _stored_op(row: Sequence[Any]) -> Op:
    op_id, destination, object_name, record_id, response_id, as_of, expected_json, wanted_json = row
    expected, wanted = json.loads(expected_json), json.loads(wanted_json)
    fields = {
        name: FieldChange(change["kind"], change["text"], expected[name], _as_moment(change["as_of"]))
        for name, change in wanted.items()
    }
    return Op(op_id, destination, object_name, record_id, response_id, _as_moment(as_of), fields)


def _written_rows(op: Op, written_at: str) -> list[tuple[str | None, ...]]:
    place = (op.destination, op.object, op.record_id)
    return [
        (*place, name, change.text, _as_text(change.as_of), op.op_id, written_at) for name, change in op.fields.items()
    ]
