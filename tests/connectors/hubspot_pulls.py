"""Pulls from HubSpot as its tests make them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.base import Connector, Page, Record, Session
from connectors.hubspot import CONNECTOR, HubSpotSettings

CONNECTED: Connector = CONNECTOR
WRITTEN = {"contact": ["nps_score", "nps_responded_at"]}
STREAMS = {stream.name: stream for stream in CONNECTED.streams(HubSpotSettings(), WRITTEN)}
WIDE = HubSpotSettings.model_validate(
    {
        "tickets": {
            "score": "nps_rating",
            "scale": [0, 10],
            "comment": "nps_reason",
            "responded_at": "nps_rated_at",
            "survey_type": "transactional",
        },
        "deals": True,
    }
)
EVERY_STREAM = {stream.name: stream for stream in CONNECTED.streams(WIDE, WRITTEN)}
NO_OVERLAP, DAY = timedelta(0), timedelta(days=1)
EVERYTHING: dict[str, str] = {}
Login = Callable[..., Session]


def pulled(
    session: Session, stream: str, cursor: Mapping[str, str] = EVERYTHING, overlap: timedelta = NO_OVERLAP
) -> list[Page]:
    return list(session.pull(EVERY_STREAM[stream], cursor, overlap))


def records_of(pages: Sequence[Page]) -> list[Record]:
    return [record for page in pages for record in page.records]


def payloads_of(pages: Sequence[Page]) -> dict[str, Any]:
    return {record.record_id: json.loads(record.payload) for record in records_of(pages)}


def current(*pulls: Sequence[Page]) -> dict[str, Record]:
    """What counts after these pulls: of each record the version that changed last, of equal ones the later."""
    never = datetime.min.replace(tzinfo=UTC)
    records = [record for pages in pulls for record in records_of(pages)]
    return {one.record_id: one for one in sorted(records, key=lambda one: one.source_version or never)}
