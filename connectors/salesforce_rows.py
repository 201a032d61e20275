"""A record in the one form that is landed, whichever API served it. No requests here.

REST and the Bulk API write the same value otherwise: null or an empty cell, 9 or 9.0, ``+0000`` or ``Z``. Salesforce
has no empty texts, and what it says of a record's address tells only the version of the API. If any of that stood in
the payloads, each switch between the two would land every record once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from connectors.salesforce_describe import Asked
from connectors.values import parse_moment

ATTRIBUTES: Final = "attributes"
TRUTH: Final = {"true": True, "false": False}
WHOLE: Final = ("int", "long")
UTC_AS_SERVED: Final = "+0000"
AS_SERVED: Final = len("2026-03-01T09:30:00.000+0000")


def row_of_rest(asked: Asked, served: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a query by REST: what was asked for in the order of the question, then whatever else was served."""
    row = _row(asked, lambda column: _at(served, column), _as_it_is)
    return row | {name: value for name, value in served.items() if name not in row}


def row_of_csv(asked: Asked, cells: Mapping[str, str]) -> dict[str, Any]:
    """A row of the Bulk API: its columns and their texts. Raises ``ValueError`` for a text that is no such value."""
    row = _row(asked, cells.__getitem__, value_of)
    if row["Id"] is None:
        raise ValueError
    return row


def _row(asked: Asked, served: Callable[[str], Any], read: Callable[[str, Any], Any]) -> dict[str, Any]:
    row: dict[str, Any] = {ATTRIBUTES: {"type": asked.name}}
    for column, kind in asked.kinds.items():
        value = read(kind, served(column))
        relationship, _, name = column.rpartition(".")
        if relationship:
            row[relationship] = _related(row.get(relationship), name, value)
        else:
            row[column] = value
    return row


def _at(served: Mapping[str, Any], column: str) -> Any:
    relationship, _, name = column.rpartition(".")
    related = served.get(relationship) if relationship else served
    return related.get(name) if isinstance(related, Mapping) else None


def _related(before: dict[str, Any] | None, name: str, value: Any) -> dict[str, Any] | None:
    """REST serves null where nothing is related; in CSV that is known by nothing of it being filled."""
    return before if before is None and value is None else {**(before or {}), name: value}


def _as_it_is(kind: str, served: Any) -> Any:
    """The value; what does not fit its kind stays as it was served."""
    try:
        return value_of(kind, served)
    except ValueError:
        return served


def value_of(kind: str, served: Any) -> Any:
    """A value of a field.

    Args:
        kind: The field's type, as describe says it.
        served: JSON or the text of a cell; an empty text is no value.

    Raises:
        ValueError: The text is none of this kind.
    """
    if served is None or served == "":
        return None
    match kind:
        case "boolean" if isinstance(served, str):
            return _truth(served)
        case "int" | "long" | "double" | "currency" | "percent" if not isinstance(served, bool):
            return _number(kind, served)
        case "datetime" if isinstance(served, str):
            return _moment(served)
    return served


def _truth(text: str) -> bool:
    if text.lower() not in TRUTH:
        raise ValueError
    return TRUTH[text.lower()]


def _number(kind: str, served: Any) -> int | float:
    """A number; a whole one of a field that may have fractions as REST tells it, 9.0. Nothing is rounded."""
    try:
        number = Decimal(served)
    except (InvalidOperation, TypeError):
        raise ValueError from None
    if not number.is_finite():
        raise ValueError
    return int(number) if kind in WHOLE and number == number.to_integral_value() else float(number)


def _moment(text: str) -> str:
    if len(text) == AS_SERVED and text.endswith(UTC_AS_SERVED):
        return text
    try:
        moment = parse_moment(text)
    except ValueError:
        return text  # where it matters, whoever needs the moment will say so
    return moment.isoformat(timespec="milliseconds").replace("+00:00", UTC_AS_SERVED)
