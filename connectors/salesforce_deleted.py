"""Which records were deleted since a moment, from the log of deletions: it knows also those that were purged since.

What the Developer Guide says of getDeleted: it reaches back 15 days at most, and less where the log was purged, which
``earliestDateAvailable`` tells; seconds of ``start`` and ``end`` are ignored, and more than a minute must lie between
them; ``latestDateCovered`` is where the next call has to start; 600,000 ids are the most it lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors import http
from connectors.errors import ExpiredCursorError
from connectors.salesforce_login import TITLE
from connectors.salesforce_query import RECORD_ID, Reader, by_code
from connectors.values import parse_moment

REACH: Final = timedelta(days=15)
MARGIN: Final = timedelta(minutes=5)  # its clock is not ours
SHORTEST: Final = timedelta(minutes=2)


@dataclass(frozen=True)
class Deletions:
    """The deleted records, id -> when; every deletion before ``covered`` is among them."""

    at: dict[str, datetime]
    covered: datetime


def deletions(reader: Reader, name: str, since: datetime, overlap: timedelta, now: datetime) -> Deletions:
    """What was deleted since a moment.

    Args:
        reader: Asks Salesforce.
        name: The object.
        since: All deletions before are known.
        overlap: How far to look back before that, too.
        now: The time of the server.

    Raises:
        ExpiredCursorError: The log does not reach back that far, or lists no more ids.
    """
    oldest = now - REACH + MARGIN
    if since < oldest:
        raise _expired(name)
    end = _minute(now)
    start = min(_minute(max(since - min(overlap, REACH), oldest)), end - SHORTEST)
    found, earliest, covered = reader.request(
        name,
        "GET",
        f"sobjects/{name}/deleted/",
        _read,
        by_code(EXCEEDED_ID_LIMIT=_expired(name), INVALID_REPLICATION_DATE=_expired(name)),
        params={"start": start.isoformat(), "end": end.isoformat()},
    )
    if earliest is not None and earliest > since:
        raise _expired(name)
    return Deletions(found, max(since, min(covered or since, end)))


def _read(answer: http.Answer) -> tuple[dict[str, datetime], datetime | None, datetime | None]:
    """The ids, the earliest moment that the log knows, the latest that it covers; else raises ``ValueError``."""
    said = answer.said()
    rows = said.get("deletedRecords")
    if not http.objects(rows):
        raise ValueError
    earliest, covered = said.get("earliestDateAvailable"), said.get("latestDateCovered")
    if not all(RECORD_ID.fullmatch(str(row.get("id"))) for row in rows):
        raise ValueError
    try:
        found = {str(row["id"]): parse_moment(row["deletedDate"]) for row in rows}
    except (KeyError, TypeError):
        raise ValueError from None
    return found, parse_moment(earliest) if earliest else None, parse_moment(covered) if covered else None


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _expired(name: str) -> ExpiredCursorError:
    return ExpiredCursorError(
        f"{TITLE} does not know any more which records of {name} were deleted since the last pull; everything has to "
        "be pulled again."
    )
