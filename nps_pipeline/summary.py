"""Summary: the figures of a published mart and of the last syncs that a terminal shows. It computes nothing itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from nps_pipeline.hold import read_hold
from nps_pipeline.home import Home
from nps_pipeline.ledger import read_ledger
from nps_pipeline.publications import Publication
from nps_pipeline.warehouse import open_published, rows_as_dicts

_CONSERVATION = """
select
    source_system, source_stream, role, served, superseded, deleted, excluded, quarantined, duplicate, kept, current,
    source_count, counted_live
from conservation
order by role <> 'response', source_system, source_stream
"""
_LOADS = """
select
    source_system, source_stream, load_id, mode, finished_at, manifest_rows, kept, current, quarantined, excluded,
    duplicate, superseded, deleted, reread_rows
from loads
order by source_system, source_stream, load_seq
"""
_SCORES = """
select survey_type, responses, promoters, passives, detractors, nps, nps_low, nps_high, score_reason
from nps_by_period
where grain = 'all_time' and channel = 'all' and touchpoint = 'all'
order by survey_type
"""
_REASONS = """
select source_system, source_stream, reason, count(*) as responses
from {table}
group by all
order by source_system, source_stream, responses desc, reason
"""
_FRESHNESS = """
select source_system, source_stream, max(responded_at) as latest_response_at
from fct_nps_responses
group by all
order by all
"""


@dataclass(frozen=True)
class Summary:
    """The figures of one publication, lists of rows as the mart has them; and the last sync of every destination.

    ``held`` is the note that holds a publication, None while runs may publish.
    """

    publication_id: str
    published_at: str
    as_of_date: str
    mart: str
    report: str
    conservation: list[dict[str, Any]]
    nps: list[dict[str, Any]]
    quarantined: list[dict[str, Any]]
    excluded: list[dict[str, Any]]
    freshness: list[dict[str, Any]]
    sync: list[dict[str, Any]]
    loads: list[dict[str, Any]]
    held: dict[str, str] | None = None

    def as_json(self) -> str:
        """The same as JSON text."""
        return json.dumps(asdict(self), indent=1, default=str)


def summarise(home: Home, publication: Publication, *, loads: bool = False) -> Summary:
    """Read the figures of a publication.

    Args:
        home: The state directory.
        publication: Whose mart is read.
        loads: Whether to account for every load too; the list is empty otherwise.

    Raises:
        WarehouseError: Its file is missing or damaged.
        LedgerError: The ledger cannot be read.
        HoldError: Which publication is held cannot be read.
    """
    hold = read_hold(home)
    with open_published(publication.mart) as mart:
        return Summary(
            publication_id=publication.publication_id,
            published_at=str(publication.facts["published_at"]),
            as_of_date=str(publication.facts["as_of_date"]),
            mart=str(home.publish / "mart.duckdb"),
            report=str(home.publish / "current" / publication.report.name),
            conservation=rows_as_dicts(mart, _CONSERVATION),
            nps=rows_as_dicts(mart, _SCORES),
            quarantined=rows_as_dicts(mart, _REASONS.format(table="quarantined_responses")),
            excluded=rows_as_dicts(mart, _REASONS.format(table="excluded_responses")),
            freshness=rows_as_dicts(mart, _FRESHNESS),
            sync=_last_syncs(home),
            loads=rows_as_dicts(mart, _LOADS) if loads else [],
            held=asdict(hold) if hold else None,
        )


def _last_syncs(home: Home) -> list[dict[str, Any]]:
    """What the ledger knows of the last sync of every destination; nothing before the first."""
    with read_ledger(home) as ledger:
        return [asdict(status) for status in ledger.status()] if ledger else []
