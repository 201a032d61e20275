"""Accepted shrinks: the full pulls of which a person said that their source really has so few records."""

from __future__ import annotations

import json
from collections.abc import Iterable

from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home, fsync_directory, fsync_file
from nps_pipeline.landing import Load
from nps_pipeline.manifest import LISTINGS


class ShrinkError(PipelineError):
    """The list of accepted shrinks cannot be read; the text says what to do."""


def accepted(home: Home) -> frozenset[str]:
    """The ids of the loads that were accepted.

    Raises:
        ShrinkError: The file is damaged.
    """
    if not home.accepted_shrinks.exists():
        return frozenset()
    try:
        return frozenset(map(str, json.loads(home.accepted_shrinks.read_text(encoding="utf-8"))["load_ids"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise ShrinkError(
            f"{home.accepted_shrinks} cannot be read. Delete it, and accept again with `nps run --accept-shrink` what "
            "the gate then refuses."
        ) from None


def accept(home: Home, loads: Iterable[Load]) -> frozenset[str]:
    """Note that every full pull among these loads serves enough, however little that is; durable when it returns.

    Returns:
        All that is accepted now.

    Raises:
        ShrinkError: The file is damaged.
    """
    now = accepted(home) | {load.manifest.load_id for load in loads if load.manifest.mode in LISTINGS}
    written = home.accepted_shrinks.with_name(f".{home.accepted_shrinks.name}.tmp")
    written.write_text(json.dumps({"load_ids": sorted(now)}, indent=1) + "\n", encoding="utf-8")
    fsync_file(written)
    written.replace(home.accepted_shrinks)
    fsync_directory(home.root)
    return now
