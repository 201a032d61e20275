"""Plan: which fields of which CRM records are to be written, and why. Sending them is in ``delivery``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from connectors.base import Kind, Target
from nps_pipeline import warehouse
from nps_pipeline.sync_fields import SyncField

Choice = Literal["write", "no_op", "adopt", "skip_stale", "conflict", "no_target", "ambiguous_target"]
Place = tuple[str, str]  # destination, object

WRITTEN = ("write", "adopt")


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The value of a field that the destination confirmed last; ``written_at`` by its clock where it told, else ours.

    ``as_of`` is when the answer behind the value was given, ``response_id`` that answer where it is known; times are
    UTC.
    """

    destination: str
    object: str
    record_id: str
    field: str
    text: str | None
    as_of: datetime | None
    written_at: datetime
    response_id: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """The value of a field as it was read back by id, later than the pull behind the mart."""

    destination: str
    object: str
    record_id: str
    field: str
    text: str | None
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What one field is to become; ``expected`` is what stands there now as far as we know."""

    kind: Kind
    text: str | None
    expected: str | None
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Op:
    """The write of one record. ``response_id`` and ``as_of`` are those of the newest answer behind its fields.

    The same change planned again has the same ``op_id``.
    """

    op_id: str
    destination: str
    object: str
    record_id: str
    response_id: str | None
    as_of: datetime | None
    fields: Mapping[str, FieldChange]

    @property
    def wanted(self) -> dict[str, str | None]:
        """Field -> what it is to become."""
        return {name: change.text for name, change in self.fields.items()}

    @property
    def expected(self) -> dict[str, str | None]:
        """Field -> what stands there now as far as we know."""
        return {name: change.expected for name, change in self.fields.items()}


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to happen to one field of one record, and why; ``record_id`` is empty where there is no record."""

    destination: str
    object: str
    record_id: str
    field: str
    old: str | None
    new: str | None
    decision: Choice
    reason: str
    response_id: str | None
    op_id: str | None = None


@dataclass(frozen=True)
class Plan:
    """Every decision, and the writes that follow from them."""

    decisions: Sequence[Decision]
    ops: Sequence[Op]

    def counts(self) -> dict[tuple[str, str, str], int]:
        """How many decisions there are per destination, object and decision."""
        return dict(Counter((one.destination, one.object, one.decision) for one in self.decisions))

    def requests(self, targets: Mapping[Place, Target]) -> dict[Place, int]:
        """How many write requests the plan costs per destination and object."""
        records = Counter((op.destination, op.object) for op in self.ops)
        return {place: ceil(number / targets[place].batch_size) for place, number in records.items()}


# What each rule below decides, and its reason for people.
_RULES: Mapping[str, tuple[Choice, str]] = {
    "ambiguous": ("ambiguous_target", "The customer has several records here, so none of them is written."),
    "same": ("no_op", "The value stands there already."),
    "empty": ("write", "Nothing stands there yet."),
    "newer": ("write", "Our last value stands there, and another one is wanted now."),
    "older": ("write", "The answer behind our last value is gone, and an older one counts (on_delete: clear)."),
    "stale": ("skip_stale", "Our last value comes from a newer answer that is gone; it stays (on_delete: keep)."),
    "foreign_overwritten": ("adopt", "A value that we never wrote is overwritten (adopt: overwrite)."),
    "foreign_kept": ("conflict", "A value that we never wrote stays (adopt: keep)."),
    "edited_theirs": ("conflict", "A person changed or cleared what we wrote; that stays (policy: theirs)."),
    "edited_ours": ("write", "A person changed or cleared what we wrote; it is written again (policy: ours)."),
    "edited_before": ("write", "The answer is newer than a person's change of what we wrote (policy: newest)."),
    "edited_after": ("conflict", "A person changed or cleared what we wrote after the answer (policy: newest)."),
    "gone_kept": ("no_op", "The answer behind our value is gone; the value stays (on_delete: keep)."),
    "gone_cleared": ("write", "The answer behind our value is gone; the field is cleared (on_delete: clear)."),
    "gone_empty": ("no_op", "The answer behind our value is gone, and so is the value."),
    "no_target": ("no_target", "The customer has no record here."),
}

# A field of which the publication knows nothing, or knows another use, was configured after it: left alone.
_KNOWN_FIELDS = """
create temp table known_fields as
select declared.*
from declared
where
    exists (
        from sync_observed as o
        where (o.destination, o.object, o.field) = (declared.destination, declared.object, declared.field)
    )
    and not exists (
        from sync_wanted as w
        where
            (w.destination, w.object, w.field) = (declared.destination, declared.object, declared.field)
            and (w.survey_type, w.value) <> (declared.survey_type, declared.value)
    )
"""

# One row per destination record and field on which something is to be decided. `present` is what stands there as far as
# we know: read back just now, else the later of what we wrote and what was pulled. All times are UTC.
_SITUATIONS = """
create temp table situations as
with wanted as (
    select
        w.destination, w.object, w.record_id, w.field, w.wanted, w.as_of::timestamp as as_of, w.response_id,
        true as is_wanted,
        min(w.record_id) over customer <> max(w.record_id) over customer as is_ambiguous
    from sync_wanted as w
    inner join known_fields using (destination, object, field)
    where w.wanted is not null
    window customer as (partition by w.destination, w.object, w.customer_id)
),
observed as (
    select
        o.destination, o.object, o.record_id, o.field, true as is_observed, s.seen_at is not null as is_seen,
        case when s.field is null then o.observed else s.text end as observed,
        coalesce(s.seen_at, o.observed_at::timestamp) as observed_at
    from sync_observed as o
    left join seen as s using (destination, object, record_id, field)
)
select
    destination, object, record_id, field, kind, policy, adopt, on_delete,
    wanted, wanted.response_id, observed_at,
    coalesce(is_wanted, false) as is_wanted,
    coalesce(is_ambiguous, false) as is_ambiguous,
    last.written_at is not null as is_ours,
    last.text as ours,
    coalesce(wanted.as_of < last.as_of and wanted.response_id is distinct from last.response_id, false) as is_older,
    case when coalesce(is_wanted, false) then wanted.as_of else last.as_of end as as_of,
    case
        when is_seen then observed
        when last.written_at > observed_at or (is_observed is null and last.written_at is not null) then last.text
        else observed
    end as present
from wanted
full join observed using (destination, object, record_id, field)
inner join known_fields using (destination, object, field)
left join last_writes as last using (destination, object, record_id, field)
where coalesce(is_wanted, false) or last.text is not null
"""

# The first rule that applies counts.
_DECIDED = """
select
    destination, object, record_id, field, present, wanted, response_id, kind, as_of,
    case
        when is_ambiguous then 'ambiguous'
        when not is_wanted and present is null then 'gone_empty'
        when present is not distinct from wanted then 'same'
        when not is_wanted and on_delete = 'keep' then 'gone_kept'
        when present is null and ours is null then 'empty'
        when not is_ours then if(adopt = 'overwrite', 'foreign_overwritten', 'foreign_kept')
        when present is distinct from ours and policy = 'theirs' then 'edited_theirs'
        when
            present is distinct from ours and policy = 'newest' and not coalesce(as_of > observed_at, false)
            then 'edited_after'
        when not is_wanted then 'gone_cleared'
        when is_older and on_delete = 'keep' then 'stale'
        when present is distinct from ours then if(policy = 'ours', 'edited_ours', 'edited_before')
        when is_older then 'older'
        else 'newer'
    end as rule
from situations
order by destination, object, record_id, field
"""

_WITHOUT_RECORD = """
select
    f.destination, f.object, coalesce(arg_max(r.response_id, r.responded_at), min(r.response_id)) as response_id
from (select distinct destination, object, survey_type, touchpoint from known_fields) as f
inner join fct_nps_responses as r
    on f.survey_type = r.survey_type and (f.touchpoint is null or f.touchpoint = r.touchpoint)
where
    r.customer_id is not null
    and not exists (
        from sync_wanted as w
        where (w.destination, w.object, w.customer_id) = (f.destination, f.object, r.customer_id)
    )
group by f.destination, f.object, r.customer_id
order by all
"""

_TEXT, _MOMENT = pa.string(), pa.timestamp("us")
_RECORD_FIELD = dict.fromkeys(("destination", "object", "record_id", "field"), _TEXT)
_DECLARED_COLUMNS = (
    "destination",
    "object",
    "field",
    "survey_type",
    "touchpoint",
    "value",
    "kind",
    "policy",
    "adopt",
    "on_delete",
)
_INPUTS: Mapping[str, Mapping[str, pa.DataType]] = {
    "declared": dict.fromkeys(_DECLARED_COLUMNS, _TEXT),
    "last_writes": {**_RECORD_FIELD, "text": _TEXT, "response_id": _TEXT, "as_of": _MOMENT, "written_at": _MOMENT},
    "seen": {**_RECORD_FIELD, "text": _TEXT, "seen_at": _MOMENT},
}


def make_plan(
    mart: Path, last_writes: Iterable[LastWrite], fields: Sequence[SyncField], seen: Iterable[Seen] = ()
) -> Plan:
    """Compare what is wanted with what stands in each CRM and with what we wrote there.

    Args:
        mart: A closed, published mart.
        last_writes: What the ledger knows to stand in the CRMs.
        fields: What is kept up to date; a field of which this mart knows nothing is left alone.
        seen: What was read back since the mart's pull; it counts instead of what was pulled.

    Raises:
        WarehouseError: The mart cannot be read.
    """
    inputs = {"declared": fields, "last_writes": last_writes, "seen": seen}
    with warehouse.open_published(mart) as connection:
        for name, rows in inputs.items():
            connection.register(name, _as_table(rows, _INPUTS[name]))
        connection.execute(_KNOWN_FIELDS)
        connection.execute(_SITUATIONS)
        decided = warehouse.rows_as_dicts(connection, _DECIDED)
        without_record = warehouse.rows_as_dicts(connection, _WITHOUT_RECORD)
    decisions, ops = [], []
    for _, rows in groupby(decided, key=lambda row: (row["destination"], row["object"], row["record_id"])):
        of_record = list(rows)
        op = _op([row for row in of_record if _RULES[row["rule"]][0] in WRITTEN])
        ops += [op] if op else []
        decisions += [_decision(row, op) for row in of_record]
    return Plan([*decisions, *(_no_target(row) for row in without_record)], ops)


def _as_table(rows: Iterable[Any], columns: Mapping[str, pa.DataType]) -> pa.Table:
    held = list(rows)
    values = {name: [_plain(getattr(row, name)) for row in held] for name in columns}
    return pa.table(values, schema=pa.schema(list(columns.items())))


def _plain(value: Any) -> Any:
    """Times as the mart has them: UTC, without saying so."""
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _decision(row: Mapping[str, Any], op: Op | None) -> Decision:
    choice, reason = _RULES[row["rule"]]
    return Decision(
        destination=row["destination"],
        object=row["object"],
        record_id=row["record_id"],
        field=row["field"],
        old=row["present"],
        new=row["wanted"],
        decision=choice,
        reason=reason,
        response_id=row["response_id"],
        op_id=op.op_id if op and row["field"] in op.fields else None,
    )


def _no_target(row: Mapping[str, Any]) -> Decision:
    choice, reason = _RULES["no_target"]
    return Decision(row["destination"], row["object"], "", "", None, None, choice, reason, row["response_id"])


def _op(rows: Sequence[Mapping[str, Any]]) -> Op | None:
    """One write of all the fields of a record that are to be written."""
    if not rows:
        return None
    fields = {
        row["field"]: FieldChange(
            kind=row["kind"],
            text=row["wanted"],
            expected=row["present"],
            as_of=row["as_of"].replace(tzinfo=UTC) if row["as_of"] else None,
        )
        for row in rows
    }
    newest = max(rows, key=lambda row: (str(row["as_of"] or ""), row["response_id"] or ""))
    unnamed = Op(
        op_id="",
        destination=newest["destination"],
        object=newest["object"],
        record_id=newest["record_id"],
        response_id=newest["response_id"],
        as_of=fields[newest["field"]].as_of,
        fields=fields,
    )
    return replace(unnamed, op_id=_op_id(unnamed))


def _op_id(op: Op) -> str:
    """sha256 over length-prefixed UTF-8 parts: whose fields, and of each what is wanted, expected, and as of when."""
    digest = hashlib.sha256()
    for part in _parts(op):
        content = b"" if part is None else part.encode()
        digest.update(b"-" if part is None else str(len(content)).encode())
        digest.update(b":" + content)
    return digest.hexdigest()


def _parts(op: Op) -> Iterator[str | None]:
    yield from (op.destination, op.object, op.record_id)
    for name, change in sorted(op.fields.items()):
        yield from (name, change.text, change.expected, change.as_of.isoformat() if change.as_of else None)
