"""The log of deletions: which records of an object were deleted between two moments, as far as it reaches back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.salesforce.answers import refusal
from sandbox.salesforce.organisation import Organisation, stamp
from sandbox.salesforce.schema import SObject

REACH = timedelta(days=15)
SHORTEST = timedelta(minutes=1)
MOST_IDS = 600_000


@dataclass
class DeletionLog:
    """``known_since`` is the moment up to which the log was purged, ``most_ids`` how many it lists at once."""

    organisation: Organisation
    known_since: datetime | None = None
    most_ids: int = MOST_IDS

    def reset(self) -> None:
        """As at the start."""
        self.known_since, self.most_ids = None, MOST_IDS

    def answer(self, sobject: SObject, start: str | None, end: str | None) -> dict[str, Any]:
        """What was deleted and not restored from ``start`` until before ``end``; purged records are listed too.

        Raises:
            Refusal: 400 where the moments are none, too near to each other or too far back, or too many ids are found.
        """
        now = self.organisation.store.now()
        first, last = _minute(start), _minute(end)
        if last - first <= SHORTEST:
            raise refusal(400, "INVALID_REPLICATION_DATE", "startDate must be more than one minute before endDate")
        if first < now - REACH:
            raise refusal(400, "INVALID_REPLICATION_DATE", "startDate cannot be more than 15 days ago")
        gone = [
            {"id": one.record_id, "deletedDate": stamp(one.deleted)}
            for one in self.organisation.store.everything(sobject.name)
            if one.deleted is not None and first <= one.deleted < last
        ]
        if len(gone) > self.most_ids:
            raise refusal(400, "EXCEEDED_ID_LIMIT", f"{len(gone)} ids are found, {self.most_ids} at most are listed")
        return {
            "deletedRecords": gone,
            "earliestDateAvailable": stamp(self.known_since or now - REACH),
            "latestDateCovered": stamp(min(last, now)),
        }


def _minute(text: str | None) -> datetime:
    """A moment of the request; its seconds are ignored."""
    try:
        moment = datetime.fromisoformat(text or "")  # a plus sign that was not encoded has become a blank
    except ValueError:
        raise refusal(400, "INVALID_REPLICATION_DATE", "start and end must be dates with a time zone") from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return zoned.replace(second=0, microsecond=0)
