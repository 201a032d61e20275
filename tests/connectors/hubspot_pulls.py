"""Pulls from HubSpot as its tests make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from connectors.base import Connector, Page, Record, Session
from connectors.config import SourceSettings
from connectors.hubspot import CONNECTOR

CONNECTED: Connector = CONNECTOR
WRITTEN = {"contact": ["nps_score", "nps_responded_at"]}
STREAMS = {stream.name: stream for stream in CONNECTED.streams(SourceSettings(), WRITTEN)}
NO_OVERLAP, DAY = timedelta(0), timedelta(days=1)
EVERYTHING: dict[str, str] = {}
Login = Callable[..., Session]


def pulled(
    session: Session, stream: str, cursor: Mapping[str, str] = EVERYTHING, overlap: timedelta = NO_OVERLAP
) -> list[Page]:
    return list(session.pull(STREAMS[stream], cursor, overlap))


def records_of(pages: Sequence[Page]) -> list[Record]:
    return [record for page in pages for record in page.records]
