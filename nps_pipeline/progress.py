"""Progress: the few sentences of a run that are meant for people, marked so that a terminal can show only those."""

from __future__ import annotations

import logging

import dagster as dg

_MARK = "nps_progress"


def tell(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, sentence: str) -> None:
    """Log a sentence in the run and show it to whoever watches the terminal. Never customer data."""
    context.log.info(sentence, extra={_MARK: True})


def is_told(record: logging.LogRecord) -> bool:
    """Whether a log record is one of these sentences."""
    return bool(getattr(record, _MARK, False) or getattr(record, "dagster_meta", {}).get(_MARK, False))
