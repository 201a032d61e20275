"""Pulls of a million contacts: the peak memory of the process that pulls, its requests, its rows.

``python -m benchmarks.pull 1000000`` pulls from CRMs that make contacts up as they are asked (``vast_crms``), each in a
process of its own, through the real connectors into a fresh landing zone: first everything, then, in another process, a
reconcile where nothing changed, which compares everything with what was landed. It writes
``benchmarks/results/pull.json``. Memory is the resident set at its highest, the imports included.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

RESULTS = Path(__file__).parent / "results" / "pull.json"
PROMISED_MB: Final = 300  # a pull of a million records stays under so many million bytes


@dataclass(frozen=True)
class Way:
    """A source, its section in nps.yaml, and the stream that is pulled."""

    source: str
    stream: str
    section: Mapping[str, Any]


WAYS: Final[Mapping[str, Way]] = {
    "hubspot": Way("hubspot", "contacts", {}),
    "zendesk": Way("zendesk", "users", {}),
    "salesforce_rest": Way("salesforce", "Contact", {"surveys": False, "bulk_above": 100_000_000}),
    "salesforce_bulk": Way("salesforce", "Contact", {"surveys": False}),
}
_SYNC: Final = {
    "hubspot": {"contact": {"fields": {"score": {"to": "nps_score"}, "category": {"to": "nps_category"}}}},
    "salesforce": {
        "contact": {
            "fields": {
                "score": {"to": "NPS_Score__c"},
                "category": {"to": "NPS_Category__c"},
                "responded_at": {"to": "NPS_Responded_At__c"},
            }
        }
    },
}


def pulled(name: str, folder: Path, reached: Mapping[str, str], *, reconcile: bool) -> dict[str, Any]:
    """Pull one way in this process into a home in the folder.

    Args:
        name: One of ``WAYS``.
        folder: Where the home is, and nps.yaml.
        reached: The environment that reaches the source.
        reconcile: Whether everything is pulled again.

    Returns:
        What it took.
    """
    from nps_pipeline.pull import pull_crm  # noqa: PLC0415 - its memory is measured
    from nps_pipeline.settings import load_settings  # noqa: PLC0415 - the same

    way, imported = WAYS[name], _peak_mb()
    config = folder / "nps.yaml"
    sync = {way.source: _SYNC[way.source]} if way.source in _SYNC else {}
    document = {"version": 1, "sources": {way.source: dict(way.section)}, "sync": sync}
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    settings = load_settings({**reached, "NPS_HOME": str(folder / "var"), "NPS_CONFIG": str(config)})
    started = time.perf_counter()
    ((_, outcome),) = pull_crm(settings, way.source, [way.stream], reconcile=reconcile)
    if outcome.problem or outcome.result is None or outcome.result.load is None:
        raise SystemExit(f"{name} could not be pulled: {outcome.problem}")
    return {
        "mode": outcome.mode,
        "peak_mb": _peak_mb(),
        "imported_mb": imported,
        "seconds": round(time.perf_counter() - started, 1),
        "requests": outcome.result.requests,
        "bytes": outcome.result.bytes,
        "loads": len(outcome.result.loads),
        "rows": outcome.rows,
        "reread_rows": outcome.result.reread_rows,
        "live_records": outcome.result.load.manifest.live_records,
    }


def _peak_mb() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1_000_000


@contextmanager
def _served(source: str, rows: int, folder: Path) -> Iterator[dict[str, str]]:
    """The environment that reaches a source with so many contacts, while it runs."""
    command = [sys.executable, "-m", "benchmarks.vast_crms", source, str(rows), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            environment: dict[str, str] = json.loads(server.stdout.readline() if server.stdout else "{}")
            yield environment
        finally:
            server.terminate()


def measured(name: str, rows: int) -> dict[str, Any]:
    """The figures of one way: a first pull, then a reconcile, each in a fresh process."""
    # A process inherits the peak of the one that starts it: nothing big is done in the one that starts the others.
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, _served(WAYS[name].source, rows, Path(folder)) as reached:
        for pull in ("first", "reconcile"):
            command = [sys.executable, "-m", "benchmarks.pull", pull, name, folder]
            environment = {**os.environ, **reached}
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)  # noqa: S603
            figures[pull] = json.loads(done.stdout)
    return figures


def main(rows: int) -> None:
    """Measure every way and write the results."""
    document = {"rows": rows, "processors": os.cpu_count(), **{name: measured(name, rows) for name in WAYS}}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=2))  # noqa: T201


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["first" | "reconcile" as pull, name, folder]:
            print(json.dumps(pulled(name, Path(folder), os.environ, reconcile=pull == "reconcile")))  # noqa: T201
        case [rows]:
            main(int(rows))
        case _:
            sys.exit("How many contacts? For example: python -m benchmarks.pull 1000000")
