"""The asset keys at which stages meet, their groups in the order of the flow, and the metadata they share."""

from __future__ import annotations

import dagster as dg

LANDED_FILES = dg.AssetKey(["landing", "files"])
PUBLISHED_MART = dg.AssetKey("published_mart")
RAW = "raw"  # the step that pins the loads
SYNC_BACK = dg.AssetKey("sync_back")
OUTCOME = dg.AssetKey("outcome")

# One group per layer; the letter keeps them in the order of the flow wherever they are listed.
GROUPS = {
    "landing": "a_landing",
    "raw": "b_raw",
    "seeds": "c_seeds",
    "staging": "d_staging",
    "intermediate": "e_intermediate",
    "marts": "f_marts",
    "publication": "g_publication",
    "sync": "h_sync",
    "outcome": "i_outcome",
}
# What an operator is told about a source that failed, a file that was refused or a publication that is held: a JSON
# list of sentences in the metadata of the assets, from which the outcome of the run is made.
PROBLEMS = "problems"


def landing_step(source: str) -> str:
    """The name of the step that pulls a CRM."""
    return f"landed_{source}"


def landed(source: str, stream: str) -> dg.AssetKey:
    """The asset of a stream of a CRM."""
    return dg.AssetKey(["landing", source, stream])


def table(layer: str, name: str) -> dg.AssetKey:
    """The asset of a table of the working database."""
    return dg.AssetKey([layer, name])


def told_problems(materialization: dg.AssetMaterialization) -> list[str]:
    """The problems that a pull asset told in its metadata; none for other assets."""
    value = materialization.metadata.get(PROBLEMS)
    problems = value.value if isinstance(value, dg.JsonMetadataValue) else None
    return [str(problem) for problem in problems] if isinstance(problems, list) else []
