"""Delivery: planned writes reach one destination in batches, and what an earlier sync left in doubt is read back.

Whatever happens to a destination becomes a sentence, so that it stops no other one. What to write is in ``plan``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from connectors.base import Change, Session, Target, Value, WriteResult
from connectors.errors import ConnectorError, InDoubtError
from nps_pipeline.ledger import Clock, Ledger
from nps_pipeline.plan import Op, Place, Seen


@dataclass
class Delivery:
    """What became of the writes to one destination, by number; ``rejected`` by the destination's own code.

    ``requests`` are write requests; ``stopped`` says why the rest was not sent.
    """

    written: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    unsent: int = 0
    requests: int = 0
    stopped: str | None = None

    def add(self, outcome: _Outcome) -> None:
        """Count what became of one batch."""
        refused = [result.error_code for result in outcome.results if result.error_code is not None]
        self.written += len(outcome.results) - len(refused)
        self.rejected.update(refused)
        self.unknown += len(outcome.in_doubt)
        self.unsent += len(outcome.unsent)
        self.stopped = outcome.stopped


@dataclass(frozen=True)
class _Outcome:
    """What became of the ops of one batch: answered one by one, perhaps applied, or certainly not."""

    results: Sequence[WriteResult] = ()
    in_doubt: Sequence[str] = ()
    unsent: Sequence[str] = ()
    stopped: str | None = None


class UnreachableError(Exception):
    """A destination cannot be asked for what is needed first; the text says why."""


def recover(
    ledger: Ledger, session: Session, targets: Mapping[Place, Target], ops: Iterable[Op], clock: Clock
) -> list[Seen]:
    """Read back the records of ops in doubt, and settle them by what stands there.

    Args:
        ledger: Of this sync.
        session: With the destination of all the ops.
        targets: Every object that can be written.
        ops: In doubt.
        clock: Says when a record was read.

    Returns:
        What stands in the records, which is newer than any mart.

    Raises:
        UnreachableError: The destination did not tell; the ops that it did not tell about stay in doubt.
    """
    seen: list[Seen] = []
    for place, of_place in groupby(ops, key=lambda op: (op.destination, op.object)):
        target = targets.get(place)
        if target is None:
            raise UnreachableError(f"{' '.join(place)} is not configured any more; configure it again.")
        for batch in _batches(list(of_place), target.batch_size):
            seen += _read_back(ledger, session, target, batch, clock)
    return seen


def look(session: Session, targets: Mapping[Place, Target], ops: Iterable[Op], clock: Clock) -> list[Seen]:
    """Read the records of planned writes: a person may have changed them since the pull behind the mart.

    Args:
        session: With the destination of all the ops.
        targets: Every object that can be written.
        ops: Planned, and not sent yet.
        clock: Says when a record was read.

    Returns:
        The fields that hold something else than the plan expects.

    Raises:
        UnreachableError: The destination did not tell.
    """
    seen: list[Seen] = []
    for place, of_place in groupby(ops, key=lambda op: (op.destination, op.object)):
        for batch in _batches(list(of_place), targets[place].batch_size):
            stands = _standing(session, targets[place], batch)
            read_at = clock()
            expected = {op.record_id: op.expected for op in batch}
            seen += [one for one in _seen(batch, stands, read_at) if one.text != expected[one.record_id][one.field]]
    return seen


def settle_late(ledger: Ledger, changed: Iterable[Seen]) -> None:
    """Confirm what was sent earlier and arrived only after it was read back: some CRMs work off a batch later on.

    Args:
        ledger: Of this sync.
        changed: What a look found, of the same records.
    """
    stands = {(one.destination, one.object, one.record_id, one.field): one for one in changed}
    for op in ledger.under_way():
        found = [stands.get((op.destination, op.object, op.record_id, name)) for name in op.fields]
        if [one and one.text for one in found] == list(op.wanted.values()) and all(found):
            ledger.settle([WriteResult(op.op_id, written_at=max(one.seen_at for one in found if one))])


def _read_back(ledger: Ledger, session: Session, target: Target, ops: Sequence[Op], clock: Clock) -> list[Seen]:
    stands = _standing(session, target, ops)
    read_at = clock()
    applied = [op.op_id for op in ops if stands[op.op_id] == op.wanted]
    untouched = [op.op_id for op in ops if stands[op.op_id] == op.expected]
    ledger.settle([WriteResult(op_id, written_at=read_at) for op_id in applied])
    ledger.not_arrived(untouched)
    ledger.supersede([op_id for op_id in stands if op_id not in {*applied, *untouched}])
    return _seen(ops, stands, read_at)


def _standing(session: Session, target: Target, ops: Sequence[Op]) -> dict[str, dict[str, str | None] | None]:
    """What stands in the fields of each op, by its id; None where the record is gone."""
    kinds = {name: change.kind for op in ops for name, change in op.fields.items()}
    try:
        found = session.read_back(target, [op.record_id for op in ops], kinds)
    except Exception as error:
        raise UnreachableError(reason_of(error)) from error
    return {op.op_id: _present(op, found.get(op.record_id)) for op in ops}


def _seen(ops: Sequence[Op], stands: Mapping[str, Mapping[str, str | None] | None], read_at: datetime) -> list[Seen]:
    return [
        Seen(op.destination, op.object, op.record_id, name, text, read_at)
        for op in ops
        for name, text in (stands[op.op_id] or {}).items()
    ]


def _present(op: Op, found: Mapping[str, str | None] | None) -> dict[str, str | None] | None:
    """The values of the op's fields; None where the record is gone."""
    return None if found is None else {name: found.get(name) for name in op.fields}


def deliver(ledger: Ledger, session: Session, targets: Mapping[Place, Target], ops: Iterable[Op]) -> Delivery:
    """Send planned ops batch by batch: noted as being sent before any byte leaves, settled after each batch.

    Args:
        ledger: Of this sync; the ops are planned in it.
        session: With the destination of all the ops.
        targets: Every object that can be written.
        ops: What to send, all of one destination.
    """
    delivery = Delivery()
    for place, of_place in groupby(ops, key=lambda op: (op.destination, op.object)):
        for batch in _batches(list(of_place), targets[place].batch_size):
            if delivery.stopped:
                delivery.unsent += len(batch)
                continue
            delivery.requests += 1
            ledger.mark_sending([op.op_id for op in batch], f"{ledger.epoch}-{'-'.join(place)}-{delivery.requests}")
            outcome = _push(session, targets[place], batch)
            ledger.settle(outcome.results)
            ledger.in_doubt(outcome.in_doubt)
            ledger.not_sent(outcome.unsent)
            delivery.add(outcome)
    return delivery


def _push(session: Session, target: Target, ops: Sequence[Op]) -> _Outcome:
    ids = [op.op_id for op in ops]
    try:
        answered = session.push(target, [_change(op) for op in ops])
    except InDoubtError as error:
        return _Outcome(in_doubt=ids, stopped=str(error))
    except ConnectorError as error:  # nothing of the batch was applied
        return _Outcome(unsent=ids, stopped=str(error))
    except Exception as error:  # noqa: BLE001 - an unforeseen failure must not stop the other destinations
        return _Outcome(in_doubt=ids, stopped=reason_of(error))
    results = {result.op_id: result for result in answered if result.op_id in ids}
    untold = [op_id for op_id in ids if op_id not in results]
    stopped = "It did not tell what became of every record." if untold else None
    return _Outcome(list(results.values()), in_doubt=untold, stopped=stopped)


def _change(op: Op) -> Change:
    values = {name: Value(change.kind, change.text) for name, change in op.fields.items()}
    return Change(op.op_id, op.record_id, values)


def reason_of(error: Exception) -> str:
    """What a connector says, which has no customer data; of any other error only its kind, for its text may have."""
    return str(error) if isinstance(error, ConnectorError) else f"It failed unexpectedly ({type(error).__name__})."


def _batches(ops: Sequence[Op], size: int) -> Iterator[Sequence[Op]]:
    return (ops[start : start + size] for start in range(0, len(ops), size))
