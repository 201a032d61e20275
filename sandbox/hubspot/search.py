"""HubSpot's search: filters, one sort rule, offsets up to 10,000. Judges records; knows no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.hubspot.answers import invalid, properties_of
from sandbox.hubspot.definitions import ObjectType
from sandbox.hubspot.values import comparable
from sandbox.store import Record

PAGE = 200
CEILING = 10_000
LONGEST = 3_000  # characters of a request
MOST_GROUPS, MOST_FILTERS = 5, 18

Definitions = dict[str, dict[str, Any]]
Value = float | str | None

# Operator -> how a record's value (never None here) is judged against the filter's values.
OPERATORS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "EQ": lambda value, wanted: value == wanted[0],
    "NEQ": lambda value, wanted: value != wanted[0],
    "LT": lambda value, wanted: value < wanted[0],
    "LTE": lambda value, wanted: value <= wanted[0],
    "GT": lambda value, wanted: value > wanted[0],
    "GTE": lambda value, wanted: value >= wanted[0],
    "BETWEEN": lambda value, wanted: wanted[0] <= value <= wanted[1],
    "IN": lambda value, wanted: value in wanted,
    "NOT_IN": lambda value, wanted: value not in wanted,
    "HAS_PROPERTY": lambda _value, _wanted: True,
}
# Operators that hold where the record has no value.
WITHOUT_VALUE = ("NEQ", "NOT_IN", "NOT_HAS_PROPERTY")
VALUELESS = ("HAS_PROPERTY", "NOT_HAS_PROPERTY")


def search(kind: ObjectType, definitions: Definitions, records: Iterable[Record], body: dict[str, Any]) -> list[Record]:
    """The records that a search request asks for, in order, not yet paged.

    Args:
        kind: The object type.
        definitions: Its properties.
        records: Its records.
        body: The request.

    Returns:
        The matching records.

    Raises:
        Refusal: 400 where the request breaks a rule of search.
    """
    groups = [group.get("filters", []) for group in body.get("filterGroups") or []]
    if len(groups) > MOST_GROUPS or sum(map(len, groups)) > MOST_FILTERS:
        raise invalid(f"There are too many filters: at most {MOST_GROUPS} groups and {MOST_FILTERS} filters in all.")
    for one in (one for group in groups for one in group):
        _check(definitions, one)
    found = [
        record
        for record in records
        if not groups or any(all(_holds(kind, definitions, record, one) for one in group) for group in groups)
    ]
    return _sorted(kind, definitions, found, body.get("sorts") or [])


def window(body: dict[str, Any]) -> tuple[int, int]:
    """First and last place (exclusive) of the page that a search request asks for; 400 past the ceiling."""
    limit, after = body.get("limit", 10), body.get("after") or "0"
    if not isinstance(limit, int) or not 1 <= limit <= PAGE:
        raise invalid(f"Invalid limit {limit}: it must be between 1 and {PAGE}.")
    if not str(after).isdigit():
        raise invalid(f"Invalid after {after}.")
    if int(after) + limit > CEILING:
        raise invalid(f"Search results are limited to {CEILING} per query; narrow the filters to see more.")
    return int(after), int(after) + limit


def _check(definitions: Definitions, one: dict[str, Any]) -> None:
    name, operator = one.get("propertyName"), one.get("operator")
    if name not in definitions:
        raise invalid(f"There was a problem with the request: property {name} does not exist.")
    if operator not in OPERATORS and operator not in WITHOUT_VALUE:
        raise invalid(f"Invalid operator {operator}.")
    if operator not in VALUELESS and not any(one.get(key) not in (None, []) for key in ("value", "values")):
        raise invalid(f"Operator {operator} on {name} needs a value.")


def _holds(kind: ObjectType, definitions: Definitions, record: Record, one: dict[str, Any]) -> bool:
    name, operator = one["propertyName"], one["operator"]
    value = _value(kind, definitions, record, name)
    if value is None:
        return operator in WITHOUT_VALUE
    if operator not in OPERATORS:
        return False
    given = one.get("values") or [one.get("value"), one.get("highValue")]
    return OPERATORS[operator](value, [comparable(definitions[name], wanted) for wanted in given])


def _value(kind: ObjectType, definitions: Definitions, record: Record, name: str) -> Value:
    return comparable(definitions[name], properties_of(kind, record, [name])[name])


def _sorted(kind: ObjectType, definitions: Definitions, records: list[Record], sorts: list[Any]) -> list[Record]:
    if len(sorts) > 1:
        raise invalid("Only one sort rule is allowed.")
    rule = sorts[0] if sorts else {"propertyName": kind.created, "direction": "DESCENDING"}
    rule = {"propertyName": rule} if isinstance(rule, str) else rule
    name = rule.get("propertyName")
    if name not in definitions:
        raise invalid(f"There was a problem with the request: property {name} does not exist.")
    filled = [record for record in records if _value(kind, definitions, record, name) is not None]
    blank = [record for record in records if _value(kind, definitions, record, name) is None]
    descending = rule.get("direction") == "DESCENDING"
    return sorted(filled, key=lambda record: _order(kind, definitions, record, name), reverse=descending) + blank


def _order(kind: ObjectType, definitions: Definitions, record: Record, name: str) -> Any:
    return _value(kind, definitions, record, name)
