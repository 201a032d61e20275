"""The one spelling of a field's value, whichever way a CRM writes it. The macro ``field_text`` says the same in SQL."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from connectors.base import PLACE, Cursor, Kind

_HALF_A_PAIR: Final = re.compile("[\ud800-\udfff]")


def field_text(kind: Kind, raw: Any) -> str | None:
    """A value as text that can be compared: ``9``, ``2026-03-01``, ``2026-03-01T09:30:00Z``.

    Args:
        kind: What the field holds.
        raw: As the CRM serves it.

    Returns:
        The text, None for an empty field. What does not fit its kind stays as it is, so that it differs from all else.
    """
    if raw is None or str(raw).strip() == "":
        return None
    text = str(raw).strip()
    try:
        if kind == "number":
            return f"{Decimal(text).normalize():f}"
        if kind == "date":
            return date.fromisoformat(text[:10]).isoformat()
        if kind == "datetime":
            return moment_text(parse_moment(text))
    except (ValueError, InvalidOperation):
        return text
    return text


def parse_moment(text: str) -> datetime:
    """A point in time as ISO 8601; without a zone it is UTC. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment outside the years 1 to 9999") from None


def latest_moment(cursor: Cursor) -> datetime | None:
    """The latest point in time that a cursor names; None where it names none. Raises ``ValueError``."""
    named = [at for at in cursor.values() if not str(at).startswith(PLACE)]
    moments = [datetime.fromtimestamp(at, UTC) if isinstance(at, int) else parse_moment(at) for at in named]
    return max(moments, default=None)


def moment_text(moment: datetime) -> str:
    """A point in time in whole seconds of UTC: 2026-03-01T09:30:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def storable(text: str) -> str:
    """A text that can be stored: half of a surrogate pair becomes U+FFFD.

    It is what is left of a text that was cut inside an emoji; it is no character, and UTF-8 cannot say it.
    """
    return _HALF_A_PAIR.sub("\ufffd", text)
