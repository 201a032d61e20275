"""Zendesk accounts of a test's own making, with a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.base import Cursor, Record, Session, Stream
from connectors.zendesk import CONNECTOR, ZendeskSettings
from sandbox import store
from sandbox.control import Control
from sandbox.serve import site
from sandbox.servers import Servers
from sandbox.zendesk.service import OAUTH_TOKEN, Zendesk

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
NO_OVERLAP = timedelta(0)
SETTINGS = ZendeskSettings.model_validate(
    {
        "tickets": {"score": "field:360001", "scale": [0, 10], "events": True},
        "satisfaction_ratings": True,
        "survey_responses": True,
    }
)
STREAMS: dict[str, Stream] = {stream.name: stream for stream in CONNECTOR.streams(SETTINGS, {})}


@dataclass
class Account:
    """A running account: ``service`` is its inside, ``control`` its control interface, ``now`` its clock."""

    service: Zendesk
    control: Control
    url: str
    now: list[datetime] = field(default_factory=lambda: [MOMENT])

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now[0] += timedelta(seconds=seconds)


def records(seconds: Sequence[int], **fields: Any) -> list[store.Record]:
    """Records of a table that changed so many seconds after the moment; ids start with 1."""
    return [
        store.Record(str(number), {"name": "x", **fields}, MOMENT, MOMENT + timedelta(seconds=second))
        for number, second in enumerate(seconds, start=1)
    ]


@contextmanager
def account(**tables: list[store.Record]) -> Iterator[Account]:
    """An account with these tables; its clock stands a day after the moment."""
    now = [MOMENT + timedelta(days=1)]
    names = ("organizations", "users", "tickets", "satisfaction_ratings")
    service = Zendesk({name: [] for name in names} | tables, clock=lambda: now[0])
    with Servers([site(service)]) as servers:
        yield Account(service, Control(servers.urls[0]), servers.urls[0], now)


def login(url: str) -> Session:
    """A session with whatever is at an address."""
    environment = {"ZENDESK_SUBDOMAIN": "a", "ZENDESK_OAUTH_TOKEN": OAUTH_TOKEN, "ZENDESK_BASE_URL": url}
    return CONNECTOR.connect(SETTINGS, environment)


def drained(
    session: Session, stream: str, cursor: Mapping[str, Any] | None = None, overlap: timedelta = NO_OVERLAP
) -> tuple[list[Record], Cursor]:
    """All records of a pull and the cursor of its last page."""
    pages = list(session.pull(STREAMS[stream], cursor or {}, overlap))
    return [record for page in pages for record in page.records], pages[-1].cursor
