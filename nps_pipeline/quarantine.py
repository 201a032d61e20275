"""Quarantine: the refused rows of the published mart, with what each reason means and what can be done."""

from __future__ import annotations

from typing import Any

from nps_pipeline.publications import Publication
from nps_pipeline.warehouse import open_published, rows_as_dicts

_ROWS = """
select source_system, source_stream, source_record_id, load_id, reason, detail
from quarantined_responses
where ($source is null or source_system = $source or source_system || '.' || source_stream = $source)
    and ($reason is null or reason = $reason)
order by source_system, source_stream, reason, source_record_id
"""


def quarantined(publication: Publication, source: str | None = None, reason: str | None = None) -> list[dict[str, Any]]:
    """The refused rows.

    Args:
        publication: Whose mart is read.
        source: Only this source (``files``) or stream (``files.retail``).
        reason: Only this reason.

    Raises:
        WarehouseError: The mart is missing or damaged.
    """
    with open_published(publication.mart) as mart:
        return rows_as_dicts(mart, _ROWS, {"source": source, "reason": reason})
