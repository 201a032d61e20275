"""Answers parsed SOQL from the organisation's records: names are checked, conditions judged, results ordered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.salesforce.answers import APPROPRIATE_NAMES, in_query
from sandbox.salesforce.ids import SHORT, with_suffix
from sandbox.salesforce.organisation import Organisation, attributes
from sandbox.salesforce.schema import SOBJECTS, UNSORTED, Field, SObject
from sandbox.salesforce.soql import Comparison, Condition, Junction, Literal, Not, Path, Query
from sandbox.store import Record

# How a literal may be written, by field type; null suits every type.
WRITTEN_AS = {
    "int": "number",
    "double": "number",
    "boolean": "word",
    "datetime": "datetime",
}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda value, wanted: value < wanted,
    "<=": lambda value, wanted: value <= wanted,
    ">": lambda value, wanted: value > wanted,
    ">=": lambda value, wanted: value >= wanted,
}
Test = Callable[[Record], bool]


@dataclass(frozen=True)
class Column:
    """A path whose names are known to exist: the references to follow, then the field (of each possible target)."""

    references: tuple[Field, ...]
    name: str
    kind: str

    @property
    def path(self) -> tuple[str, ...]:
        """The names from the record to the value."""
        return (*(str(one.relationship) for one in self.references), self.name)


@dataclass(frozen=True)
class Result:
    """The matching records in order, and how to show one of them."""

    sobject: SObject
    records: list[Record]
    columns: tuple[Column, ...]


def run(organisation: Organisation, query: Query, *, with_deleted: bool) -> Result:
    """Answer a query.

    Args:
        organisation: The records.
        query: The parsed query.
        with_deleted: Whether deleted records count too (queryAll).

    Returns:
        All matching records; the limit is applied.

    Raises:
        Refusal: 400 where a name does not exist or a value does not suit its field.
    """
    sobject = organisation.visible(query.sobject.text)
    if sobject is None:
        message = (
            f"sObject type '{query.sobject.text}' is not supported. If you are attempting to use a custom object, "
            f"be sure to append the '__c' after the entity name. {APPROPRIATE_NAMES}"
        )
        raise in_query("INVALID_TYPE", query.text, query.sobject.position, message)
    runner = _Runner(organisation, query, sobject)
    columns = runner.columns()
    holds = runner.test(query.condition) if query.condition else None
    candidates = organisation.records(sobject, with_deleted=with_deleted)
    found = [record for record in candidates if holds is None or holds(record)]
    found.sort(key=_scrambled)  # without ORDER BY there is no order to rely on
    for part in reversed(query.ordering):
        runner.sort(found, runner.sortable(part.path), descending=part.descending, nulls_last=part.nulls_last)
    return Result(sobject, found[: query.limit], columns)


def shown(organisation: Organisation, result: Result, record: Record, version: str) -> dict[str, Any]:
    """One record of a result, as the API serves it; related fields are nested, null where nothing is related."""
    body = attributes(result.sobject, record, version)
    for column in result.columns:
        _show(organisation, body, (result.sobject, record), column, version)
    return body


def _show(
    organisation: Organisation, body: dict[str, Any], at: tuple[SObject, Record], column: Column, version: str
) -> None:
    sobject, record = at
    for reference in column.references:
        related = organisation.target(record, reference)
        if related is None:
            body[str(reference.relationship)] = None
            return
        sobject, record = related
        body = body.setdefault(str(reference.relationship), attributes(sobject, record, version))
    field = sobject.find_field(column.name)
    body[column.name] = organisation.value(sobject, record, field) if field else None


class _Runner:
    def __init__(self, organisation: Organisation, query: Query, sobject: SObject) -> None:
        self._organisation = organisation
        self._query = query
        self._sobject = sobject

    def columns(self) -> tuple[Column, ...]:
        """What is selected, nothing twice."""
        found = dict[tuple[str, ...], Column]()
        for path in self._query.fields:
            column = self.column(path)
            if column.path in found:
                raise in_query(
                    "INVALID_FIELD", self._query.text, path.position, f"duplicate field selected: {column.name}"
                )
            found[column.path] = column
        return tuple(found.values())

    def sortable(self, path: Path) -> Column:
        column = self.column(path)
        if column.kind in UNSORTED:
            message = f"field '{column.name}' can not be sorted in a query call"
            raise in_query("INVALID_FIELD", self._query.text, path.position, message)
        return column

    def column(self, path: Path) -> Column:
        at: tuple[SObject, ...] = (self._sobject,)
        references = []
        for name in path.names[:-1]:
            reference = next(filter(None, (one.find_reference(name) for one in at)), None)
            if reference is None:
                message = (
                    f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom "
                    f"relationship, be sure to append the '__r' after the custom relationship name. {APPROPRIATE_NAMES}"
                )
                raise in_query("INVALID_FIELD", self._query.text, path.position, message)
            references.append(reference)
            at = tuple(SOBJECTS[target] for target in reference.to)
        field = next(filter(None, (one.find_field(path.names[-1]) for one in at)), None)
        if field is None:
            message = (
                f"No such column '{path.names[-1]}' on entity '{at[0].name}'. If you are attempting to use a custom "
                f"field, be sure to append the '__c' after the custom field name. {APPROPRIATE_NAMES}"
            )
            raise in_query("INVALID_FIELD", self._query.text, path.position, message)
        return Column(tuple(references), field.name, field.kind)

    def test(self, condition: Condition) -> Test:
        if isinstance(condition, Not):
            inner = self.test(condition.condition)
            return lambda record: not inner(record)
        if isinstance(condition, Junction):
            tests = [self.test(one) for one in condition.conditions]
            join = all if condition.word == "AND" else any
            return lambda record: join(one(record) for one in tests)
        return self._comparison(condition)

    def _comparison(self, comparison: Comparison) -> Test:
        column, operator = self.column(comparison.path), comparison.operator
        if column.kind in UNSORTED:
            message = f"field '{column.name}' can not be filtered in a query call"
            raise in_query("INVALID_FIELD", self._query.text, comparison.path.position, message)
        wanted = [self._wanted(comparison, column, literal) for literal in comparison.literals]
        if operator in ("=", "IN"):
            return lambda record: self._folded(column, record) in wanted
        if operator in ("!=", "NOT IN"):
            return lambda record: self._folded(column, record) not in wanted
        compare = COMPARISONS[operator]

        def holds(record: Record) -> bool:
            value = self._folded(column, record)
            return value is not None and wanted[0] is not None and compare(value, wanted[0])

        return holds

    def _wanted(self, comparison: Comparison, column: Column, literal: Literal) -> Any:
        expected = WRITTEN_AS.get(column.kind, "string")
        if literal.value is not None and literal.kind != expected:
            hint = "should be enclosed in quotes" if expected == "string" else "should not be enclosed in quotes"
            kind = _type_name(column.kind)
            message = f"value of filter criterion for field '{column.name}' must be of type {kind} and {hint}"
            raise in_query("INVALID_FIELD", self._query.text, comparison.path.position, message)
        return _fold(column, literal.value)

    def _folded(self, column: Column, record: Record) -> Any:
        return _fold(column, self._value(column, record))

    def _value(self, column: Column, record: Record) -> Any:
        sobject = self._sobject
        for reference in column.references:
            related = self._organisation.target(record, reference)
            if related is None:
                return None
            sobject, record = related
        field = sobject.find_field(column.name)
        return self._organisation.value(sobject, record, field) if field else None

    def sort(self, records: list[Record], column: Column, *, descending: bool, nulls_last: bool) -> None:
        filled = [record for record in records if self._folded(column, record) is not None]
        blank = [record for record in records if self._folded(column, record) is None]
        filled.sort(key=lambda record: self._folded(column, record), reverse=descending)
        records[:] = filled + blank if nulls_last else blank + filled


def _fold(column: Column, value: Any) -> Any:
    """A value as it is compared: text without regard to case, ids in their long form."""
    if not isinstance(value, str) or column.kind == "datetime":
        return value
    if column.kind in ("id", "reference"):
        return with_suffix(value) if len(value) == SHORT else value
    return value.casefold()


def _type_name(kind: str) -> str:
    return {"datetime": "dateTime"}.get(kind, kind)


def _scrambled(record: Record) -> str:
    return hashlib.sha256(record.record_id.encode()).hexdigest()
