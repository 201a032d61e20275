"""Zendesk accounts of a test's own making, with a clock that only the test moves, and pages as a server has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from tests.connectors.scripted import Reply, Scripted

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
START = int(MOMENT.timestamp())
NO_OVERLAP = timedelta(0)
SETTINGS = ZendeskSettings.model_validate(
    {
        "tickets": {"score": "field:360001", "scale": [0, 10], "events": True},
        "satisfaction_ratings": True,
        "survey_responses": True,
    }
)
STREAMS: dict[str, Stream] = {stream.name: stream for stream in CONNECTOR.streams(SETTINGS, {})}
# Starts a server that gives these replies, and a session with it.
Start = Callable[..., tuple[Session, Scripted]]


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

    def asked(self) -> int:
        """How many requests were answered since this was asked last."""
        number = len(self.control.requests())
        self.control.forget_requests()
        return number


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


def environment(url: str) -> dict[str, str]:
    """What leads to whatever is at an address."""
    return {"ZENDESK_SUBDOMAIN": "a", "ZENDESK_OAUTH_TOKEN": OAUTH_TOKEN, "ZENDESK_BASE_URL": url}


def login(url: str) -> Session:
    """A session with whatever is at an address."""
    return CONNECTOR.connect(SETTINGS, environment(url))


def drained(
    session: Session, stream: str, cursor: Mapping[str, Any] | None = None, overlap: timedelta = NO_OVERLAP
) -> tuple[list[Record], Cursor]:
    """All records of a pull and the cursor of its last page."""
    pages = list(session.pull(STREAMS[stream], cursor or {}, overlap))
    return [record for page in pages for record in page.records], pages[-1].cursor


def row(record_id: object, second: int = 0, **further: Any) -> dict[str, Any]:
    """A user, an organization or a ticket that changed so many seconds after the moment."""
    return {"id": record_id, "updated_at": (MOMENT + timedelta(seconds=second)).isoformat(), **further}


def users_page(rows: Sequence[Any], after: Any, *, ended: bool = False, **headers: str) -> Reply:
    """A page of an export by cursor."""
    return Reply({"users": rows, "after_cursor": after, "end_of_stream": ended}, headers=headers)


def organizations_page(rows: Sequence[Any], end_time: Any, **further: Any) -> Reply:
    """A page of an export by time."""
    return Reply({"organizations": rows, "end_time": end_time} | further)
