"""What a HubSpot property accepts, and how its value is stored and compared, by property type."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

NUMBER = re.compile(r"-?\d+(\.\d+)?")
MILLISECONDS = re.compile(r"-?\d{1,14}")


def problem(definition: dict[str, Any] | None, name: str, value: str | None) -> dict[str, Any] | None:
    """Why a property cannot be set to a value, as an entry of the error message; None where it can."""
    if definition is None:
        return _problem(name, f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST")
    if definition["modificationMetadata"]["readOnlyValue"]:
        return _problem(name, f'"{name}" is a read only property; its value cannot be set.', "READ_ONLY_VALUE")
    if value in (None, ""):
        return None
    return _unsuitable(definition, name, str(value))


def _unsuitable(definition: dict[str, Any], name: str, value: str) -> dict[str, Any] | None:
    kind = definition["type"]
    if kind == "number" and not NUMBER.fullmatch(value):
        return _problem(name, f"{value} was not a valid number.", "INVALID_DOUBLE")
    if kind in ("datetime", "date") and milliseconds_of(value) is None:
        return _problem(name, f"{value} was not a valid long.", "INVALID_LONG")
    allowed = [option["value"] for option in definition["options"]]
    if kind == "enumeration" and value not in allowed:
        return _problem(name, f"{value} was not one of the allowed options: {allowed}", "INVALID_OPTION")
    return None


def stored(definition: dict[str, Any], value: Any) -> str | None:
    """A valid value as HubSpot serves it afterwards: text; times as ISO 8601 in UTC; blank is None."""
    if value in (None, ""):
        return None
    text = str(value)
    moment = milliseconds_of(text) if definition["type"] == "datetime" else None
    if moment is None:
        return text
    at = datetime.fromtimestamp(moment / 1000, UTC)
    fraction = f".{moment % 1000:03}" if moment % 1000 else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def comparable(definition: dict[str, Any], value: str | None) -> float | str | None:
    """A value in the form in which search compares it; None where there is none."""
    if value in (None, ""):
        return None
    text = str(value)
    if definition["type"] == "number":
        return float(text) if NUMBER.fullmatch(text) else None
    if definition["type"] in ("datetime", "date"):
        return milliseconds_of(text)
    return text.casefold()


def milliseconds_of(text: str) -> int | None:
    """Milliseconds since 1970 from a number of them or from ISO 8601; None where it is neither."""
    if MILLISECONDS.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def _problem(name: str, message: str, code: str) -> dict[str, Any]:
    return {"isValid": False, "message": message, "error": code, "name": name}
