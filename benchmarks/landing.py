"""A survey file of many rows is landed as ``nps run`` does it: seconds, memory, and how many plain readings that is.

``python -m benchmarks.landing 1000000`` writes such a file in a temporary directory, lands it in a fresh process and
writes ``benchmarks/results/landing.json``. Seconds differ between machines; the ratio to one pass of Python's own CSV
reader over the same file differs less.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "landing.json"

MAPPING = """
version: 1
reporting: {timezone: Europe/Berlin}
sources:
  files:
    - {name: answers, match: "answers*.csv", id: Response ID, score: NPS, scale: [0, 10], comment: Comment,
       email: E-mail, responded_at: Answered, survey: Shop, survey_type: transactional, channel: {column: Channel},
       touchpoint: purchase}
"""
_COMMENTS = ("", "", "Schnelle Lieferung, gern wieder!", 'Der Fahrer sagte "gleich".\nEr kam nie.', "Très bien")
_CHANNELS = ("email", "web", "sms")


def write_answers(path: Path, rows: int) -> None:
    """Write a CSV of answers as a survey tool does; every hundredth score is none."""
    first = datetime(2024, 1, 1, 8, tzinfo=UTC)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["Response ID", "Answered", "E-mail", "NPS", "Comment", "Channel", "Country", "Order value"])
        for row in range(rows):
            at = first + timedelta(seconds=row * 7919 % 90_000_000)
            score = "" if row % 100 == 0 else row * 7 % 11
            comment = _COMMENTS[row % 5] and f"{_COMMENTS[row % 5]} ({row})"
            writer.writerow(
                [f"R_{row:08d}", f"{at:%Y-%m-%d %H:%M:%S}", f"person{row % 100_000}@example.com", score, comment,
                 _CHANNELS[row % 3], ("DE", "FR", "AT", "IT")[row % 4], f"{row % 500}.90"]
            )  # fmt: skip


def read(directory: Path) -> int:
    """Read every row of the file with Python's own CSV reader; the number of rows."""
    with next((directory / "inbox").glob("*.csv")).open(encoding="utf-8", newline="") as stream:
        return sum(1 for _ in csv.reader(stream)) - 1


def land(directory: Path) -> int:
    """Land what is in the inbox; the number of landed rows."""
    from nps_pipeline.inbox import pull_files  # noqa: PLC0415 - a measured process imports only what it measures
    from nps_pipeline.settings import load_settings  # noqa: PLC0415

    (outcome,) = pull_files(load_settings({"NPS_HOME": str(directory), "NPS_CONFIG": str(directory / "nps.yaml")}))
    if outcome.refused:
        raise SystemExit(outcome.refused)
    return outcome.rows


MEASURED: dict[str, Callable[[Path], int]] = {"read": read, "land": land}


def measure(name: str, directory: str) -> None:
    """Do one of ``MEASURED`` in this process and print rows, seconds, processor seconds and peak memory as JSON."""
    started = time.perf_counter()
    if name == "land":
        import nps_pipeline.inbox  # noqa: F401, PLC0415
    imported, imported_cpu = time.perf_counter(), time.process_time()
    rows = MEASURED[name](Path(directory))
    figures = {
        "rows": rows,
        "import_seconds": round(imported - started, 2),
        "seconds": round(time.perf_counter() - imported, 2),
        "processor_seconds": round(time.process_time() - imported_cpu, 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(figures))  # noqa: T201


def _in_a_process(name: str, directory: Path) -> dict[str, Any]:
    # A process inherits the peak of the one that starts it: nothing big is done in the one that starts the others.
    load = os.getloadavg()[0]
    command = [sys.executable, "-m", "benchmarks.landing", name, str(directory)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603
    return {**json.loads(printed), "load_average_before": round(load, 2)}


def prepare(directory: Path, rows: int) -> Path:
    """Write the file of answers into an inbox, and the mapping that reads it; the file."""
    (directory / "nps.yaml").write_text(MAPPING, encoding="utf-8")
    (directory / "inbox").mkdir()
    file = directory / "inbox" / "answers.csv"
    write_answers(file, rows)
    return file


def main(rows: int) -> None:
    """Write, measure and keep the results."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        size = prepare(directory, rows).stat().st_size
        figures = {name: _in_a_process(name, directory) for name in ("read", "read", "land")}
    document = {
        "file_mib": size >> 20,
        "processors": os.cpu_count(),
        **figures,
        "land_in_reads": round(figures["land"]["processor_seconds"] / figures["read"]["processor_seconds"], 1),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=2))  # noqa: T201


if __name__ == "__main__":
    match sys.argv[1:]:
        case [rows]:
            main(int(rows))
        case [name, folder]:
            measure(name, folder)
        case _:
            sys.exit("How many answers? For example: python -m benchmarks.landing 1000000")
