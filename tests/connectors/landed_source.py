"""One stream of a sandbox CRM, pulled in small pages and landed: what is landed of it is compared with the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import pyarrow.parquet as pq
import pytest

from connectors.base import Cursor, Mode, Page, Session, Stream
from connectors.errors import ExpiredCursorError
from connectors.values import latest_moment
from connectors.zendesk_exports import EXPORTS, MERGED
from nps_pipeline.home import Home
from nps_pipeline.landing import COMMIT_EVERY, LoadRequest, land, list_loads
from nps_pipeline.manifest import Manifest
from sandbox.control import Control
from sandbox.serve import Sandbox
from sandbox.store import Record
from tests.connectors.conformance import CONNECTORS, DEMO, Case, settings_of

NO_OVERLAP, OVERLAP, EVER = timedelta(0), timedelta(minutes=10), timedelta(days=10_000)
PAGES = 3  # in which a pull of a stream comes here, of a very small one in two
# How many rows a page has, at the client or at the sandbox, whoever decides.
PAGE_SIZES: Mapping[str, Sequence[str]] = {
    "salesforce": (
        "sandbox.salesforce.service.PAGE",
        "sandbox.salesforce.service.SMALLEST_PAGE",
        "connectors.salesforce_bulk.PAGE",
    ),
    "hubspot": ("connectors.hubspot._LISTED", "connectors.hubspot._SEARCHED"),
    "zendesk": (
        "connectors.zendesk_exports.PAGE_SIZE",
        "connectors.zendesk_exports.LIST_SIZE",
        "sandbox.zendesk.exports.PAGE",
    ),
}
NEVER_DELETED = ("satisfaction_ratings", "survey_responses")
SCORE = DEMO["sources"]["zendesk"]["tickets"]["score"].removeprefix("field:")

Row = Mapping[str, Any]
Versions = dict[str, tuple[datetime | None, bool, str]]


def _ticket(record_id: str, row: Row) -> dict[str, bool]:
    return {record_id: row["deleted"] is not None or MERGED in row["fields"].get("tags", ())}


def _scores(record_id: str, row: Row) -> dict[str, bool]:
    """Of an event the changes of the score: each has an id of its own, behind that of the event."""
    changes = enumerate(row["fields"]["changes"], start=int(record_id) + 1)
    return {str(number): False for number, one in changes if SCORE in one.get("custom_ticket_fields", ())}


# The records, id -> whether it is deleted, that a row of the sandbox is served as where it is not served as itself.
SERVED_AS: Mapping[str, Callable[[str, Row], dict[str, bool]]] = {
    "zendesk.tickets": _ticket,
    "zendesk.ticket_events": _scores,
    "zendesk.survey_responses": lambda record_id, _: {f"01J{int(record_id):023d}": False},
}


def is_served(table: str, record: Record) -> bool:
    """Whether a record of the sandbox is served at all: of events only those that change the score."""
    return table != "ticket_events" or bool(_scores(record.record_id, {"fields": record.fields}))


def in_small_pages(patch: pytest.MonkeyPatch, source: str, rows: int) -> int:
    """Make pages so small that a pull of so many rows takes some; how many rows one has."""
    size = ceil(rows / PAGES)
    for place in PAGE_SIZES.get(source, ()):
        patch.setattr(place, size)
    return size


@dataclass
class Source:
    """One stream of one source in the sandbox, and a home for what is landed of it.

    All pulls go through one session, unless ``connect`` is asked for another.
    """

    sandbox: Sandbox
    home: Home
    case: Case
    page: int
    sessions: list[Session] = field(default_factory=list)

    @property
    def stream(self) -> Stream:
        return self.case.stream

    @property
    def control(self) -> Control:
        return self.sandbox.control[self.case.source]

    @property
    def session(self) -> Session:
        return self.sessions[0] if self.sessions else self.connect()

    @property
    def least_pages(self) -> int:
        return ceil(len(self.rows()) / self.page)

    def connect(self, **way: str) -> Session:
        """Another session, as of another run."""
        settings = settings_of(self.case.source, self.case.variant)
        self.sessions.append(CONNECTORS[self.case.source].connect(settings, self.sandbox.environment_for(**way)))
        return self.sessions[-1]

    def pages(self, cursor: Cursor | None = None, overlap: timedelta = NO_OVERLAP) -> Iterator[Page]:
        return self.session.pull(self.stream, cursor or {}, overlap)

    def close(self) -> None:
        """Let go of the sessions; the next pull has a new one."""
        for session in self.sessions:
            session.close()
        self.sessions.clear()

    # --- what the server holds, and what people do there ---

    def rows(self) -> dict[str, dict[str, Any]]:
        """The sandbox's rows, those that were made last first."""
        held = self.control.state(self.case.name)
        return dict(sorted(held.items(), key=lambda item: item[1]["created"], reverse=True))

    def changing(self) -> list[str]:
        """The rows that may change still, those that were made last first."""
        rows = self.rows()
        made = {key: datetime.fromisoformat(row["created"]) for key, row in rows.items()}
        late = EXPORTS[self.case.name].late if self.case.source == "zendesk" else None
        return [key for key in rows if not late or made[key] > max(made.values()) - late]

    def records(self) -> dict[str, bool]:
        """The records that the rows are served as: id -> whether it is deleted."""
        as_itself: Callable[[str, Row], dict[str, bool]] = lambda key, row: {key: row["deleted"] is not None}  # noqa: E731
        served_as = SERVED_AS.get(f"{self.case.source}.{self.case.name}", as_itself)
        return {key: gone for row_id, row in self.rows().items() for key, gone in served_as(row_id, row).items()}

    def edit(self, row_id: str) -> None:
        """Somebody edits a row; where rows never change there is one more."""
        if not self.stream.append_only:
            self.control.edit(self.case.name, row_id)
            return
        tickets = self.control.state("tickets").items()
        ticket, values = next((key, row["fields"]["custom_values"]) for key, row in tickets if row["deleted"] is None)
        self.control.edit("tickets", ticket, custom_values={**values, SCORE: str((int(values[SCORE] or 0) + 1) % 11)})

    def delete(self, row_id: str) -> None:
        """Somebody deletes a row, where that can be done."""
        if not (self.stream.append_only or self.case.name in NEVER_DELETED):
            self.control.delete(self.case.name, row_id)

    # --- what is landed ---

    def cursor(self) -> Cursor:
        loads = list_loads(self.home)
        return loads[-1].manifest.cursor_after if loads else {}

    def land(self, pages: Iterator[Page], every: int = COMMIT_EVERY, mode: Mode | None = None) -> None:
        chosen: Mode = mode or ("incremental" if list_loads(self.home) else "full")
        request = LoadRequest(
            self.stream.source,
            self.stream.name,
            chosen,
            "test",
            "test",
            source_count=lambda: self.session.count(self.stream) if chosen == "reconcile" else None,
            pulled_until=latest_moment(self.cursor()) if chosen == "reconcile" else None,
            gone=lambda ids: self.session.gone(self.stream, ids),
        )
        land(self.home, request, pages, every)

    def pull(self, overlap: timedelta = OVERLAP) -> None:
        """Pull and land as a run does: from where the last load ended, or all anew where that cannot be."""
        try:
            self.land(self.pages(self.cursor(), overlap))
        except ExpiredCursorError:
            self.reconcile()

    def reconcile(self) -> Manifest:
        """Pull everything again, land what was missed, and say what was found."""
        self.land(self.pages(), mode="reconcile")
        return list_loads(self.home)[-1].manifest

    def landed_rows(self) -> list[dict[str, Any]]:
        """Every landed row."""
        parts = [part for load in list_loads(self.home) for part in load.parts]
        return [row for part in parts for row in pq.read_table(part).to_pylist()]

    def landed(self) -> Versions:
        """The current version of every landed record."""
        names = ("record_id", "source_version", "is_deleted", "payload")
        return latest([(row[names[0]], row[names[1]], row[names[2]], row[names[3]]) for row in self.landed_rows()])

    def doubled(self) -> int:
        """How many more rows are landed than there are versions of records."""
        rows = [(row["record_id"], row["payload"], row["is_deleted"]) for row in self.landed_rows()]
        return len(rows) - len({*rows})

    def served(self) -> Versions:
        """What a pull of everything serves."""
        return versions([*self.pages()])

    def agrees(self) -> None:
        """Assert that what is landed is what the server holds: every record once, live or deleted, as it is now."""
        landed = self.landed()
        assert {key: one[1] for key, one in landed.items()} == self.records()
        alive = {key: one for key, one in self.served().items() if not one[1]}
        assert {key: one for key, one in landed.items() if not one[1]} == alive

    def settles(self) -> None:
        """Assert that what was landed is not landed over and over by the pulls that follow."""
        self.pull()
        loads = len(list_loads(self.home))
        self.pull()
        assert sum(load.manifest.rows for load in list_loads(self.home)[loads:]) == 0


def versions(pages: Sequence[Page]) -> Versions:
    """The latest version of every record of a pull."""
    return latest(
        [(one.record_id, one.source_version, one.is_deleted, one.payload) for page in pages for one in page.records]
    )


def latest(rows: Sequence[tuple[str, datetime | None, bool, str]]) -> Versions:
    """The row of every record that is the current one: the last of those that changed last."""
    ordered = sorted(rows, key=lambda row: row[1] or datetime.min.replace(tzinfo=UTC))
    return {key: (version, is_deleted, payload) for key, version, is_deleted, payload in ordered}
