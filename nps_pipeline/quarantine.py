"""Quarantine: the refused rows of the published mart, with what each reason means and what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nps_pipeline import project
from nps_pipeline.errors import PipelineError
from nps_pipeline.publications import Publication
from nps_pipeline.warehouse import open_published, rows_as_dicts

_ROWS = """
select source_system, source_stream, source_record_id, load_id, reason, detail
from quarantined_responses
where ($source is null or source_system = $source or source_system || '.' || source_stream = $source)
    and ($reason is null or reason = $reason)
    and ($load_id is null or load_id = $load_id)
order by source_system, source_stream, reason, source_record_id
"""
_LOAD = "select load_id from loads where load_id = $load_id"
EXPORTED = (
    "source_system",
    "source_stream",
    "source_record_id",
    "load_id",
    "reason",
    "detail",
    "meaning",
    "remedy",
)
_STREAMS = (
    "select distinct source_system, source_system || '.' || source_stream as stream from conservation order by all"
)


class UnknownFilterError(PipelineError):
    """There is no such source, stream or reason; the text names those there are."""


def quarantined(
    publication: Publication, source: str | None = None, reason: str | None = None, load_id: str | None = None
) -> list[dict[str, Any]]:
    """The refused rows.

    Args:
        publication: Whose mart is read.
        source: Only this source (``files``) or stream (``files.retail``).
        reason: Only this reason.
        load_id: Only rows of this load.

    Raises:
        UnknownFilterError: The publication has no such source, stream or load, or there is no such reason.
        WarehouseError: The mart is missing or damaged.
    """
    reasons = [name for name, known in project.reasons().items() if known["class"] == "quarantined"]
    _require_known("reason of the quarantine", reason, reasons)
    with open_published(publication.mart) as mart:
        sources = dict.fromkeys(name for row in rows_as_dicts(mart, _STREAMS) for name in row.values())
        _require_known("source of this publication", source, list(sources))
        if load_id is not None and not rows_as_dicts(mart, _LOAD, {"load_id": load_id}):
            raise UnknownFilterError(f"{load_id} is no load of this publication; `nps status --loads --json` has them.")
        return rows_as_dicts(mart, _ROWS, {"source": source, "reason": reason, "load_id": load_id})


def explained(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with what its reason means and what can be done about it."""
    known = project.reasons()
    return [
        {**row, "meaning": known[row["reason"]]["description"], "remedy": known[row["reason"]]["remedy"]}
        for row in rows
    ]


def _require_known(what: str, name: str | None, known: Sequence[str]) -> None:
    if name is not None and name not in known:
        raise UnknownFilterError(f"{name} is no {what}; there are: {', '.join(known) or 'none'}.")
