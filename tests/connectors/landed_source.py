"""One stream of a sandbox CRM, pulled in small pages and landed: what is landed of it is compared with the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq

from connectors.base import Cursor, Mode, Page, Session, Stream
from nps_pipeline.home import Home
from nps_pipeline.landing import COMMIT_EVERY, LoadRequest, land, list_loads
from sandbox.control import Control
from sandbox.serve import Sandbox
from tests.connectors.test_conformance import CONNECTORS, NO_OVERLAP, settings_of, streams_of

OVERLAP, EVER = timedelta(minutes=10), timedelta(days=10_000)
PAGES = 3  # the least that a pull of a stream takes here
MOST_ROWS = 90  # of a page: all lists allow as many
# How many rows a page has, at the client or at the sandbox, whoever decides.
PAGE_SIZES: Mapping[str, Sequence[str]] = {
    "salesforce": ("sandbox.salesforce.service.PAGE", "sandbox.salesforce.service.SMALLEST_PAGE"),
    "hubspot": ("connectors.hubspot._LISTED", "connectors.hubspot._SEARCHED"),
    "zendesk": (
        "connectors.zendesk_exports.PAGE_SIZE",
        "connectors.zendesk_exports.LIST_SIZE",
        "sandbox.zendesk.exports.PAGE",
    ),
}


def first_stream(source: str) -> str:
    return next(iter(streams_of(source)))


Versions = dict[str, tuple[datetime | None, bool, str]]


@dataclass
class Source:
    """One stream of one source in the sandbox, in small pages, and a home for what is landed of it."""

    sandbox: Sandbox
    home: Home
    stream: Stream
    sessions: list[Session] = field(default_factory=list)

    @property
    def control(self) -> Control:
        return self.sandbox.control[self.stream.source]

    @property
    def least_pages(self) -> int:
        return min(PAGES, len(self.control.state(self.stream.name)))

    def connect(self, **way: str) -> Session:
        source = self.stream.source
        environment = self.sandbox.environment_for(**way)
        self.sessions.append(CONNECTORS[source].connect(settings_of(source), environment))
        return self.sessions[-1]

    def pages(self, cursor: Cursor | None = None, overlap: timedelta = NO_OVERLAP) -> Iterator[Page]:
        return self.connect().pull(self.stream, cursor or {}, overlap)

    def close(self) -> None:
        """Close what is open; the server is as at its start."""
        for session in self.sessions:
            session.close()
        self.control.reset()

    def cursor(self) -> Cursor:
        loads = list_loads(self.home)
        return loads[-1].manifest.cursor_after if loads else {}

    def land(self, pages: Iterator[Page], every: int = COMMIT_EVERY, *, reconcile: bool = False) -> None:
        later: Mode = "reconcile" if reconcile else "incremental"
        mode: Mode = later if list_loads(self.home) else "full"
        land(self.home, LoadRequest(self.stream.source, self.stream.name, mode, "test", "test"), pages, every)

    def pull(self, overlap: timedelta = OVERLAP) -> None:
        """Pull and land as a run does: from where the last load ended."""
        self.land(self.pages(self.cursor(), overlap))

    def rows(self) -> list[dict[str, Any]]:
        """Every landed row."""
        parts = [part for load in list_loads(self.home) for part in load.parts]
        return [row for part in parts for row in pq.read_table(part).to_pylist()]

    def landed(self) -> Versions:
        """The current version of every landed record."""
        names = ("record_id", "source_version", "is_deleted", "payload")
        return latest([(row[names[0]], row[names[1]], row[names[2]], row[names[3]]) for row in self.rows()])

    def served(self) -> Versions:
        """What a pull of everything serves, without faults."""
        return versions([*self.pages()])

    def agrees(self) -> None:
        """Assert that what is landed is what the server holds: every record once, live or deleted, as it is now."""
        landed, state = self.landed(), self.control.state(self.stream.name)
        assert {key: one[1] for key, one in landed.items()} == {
            key: one["deleted"] is not None for key, one in state.items()
        }
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
