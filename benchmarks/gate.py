"""The gate as shipped on a big mart: seconds, peak memory, and how that compares with reading the file once.

``python -m benchmarks.gate 10000000`` builds a valid mart of that many answers in a temporary directory, judges it in
fresh processes and writes ``benchmarks/results/gate.json``. Seconds differ between machines; the ratio to one full scan
of the same file by DuckDB, on the same machine with the same warm cache, differs less.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.mart import build
from expectations.runner import run_suites
from expectations.suites import load_suites, shipped_suites
from expectations.verdict import judge

RESULTS = Path(__file__).parent / "results" / "gate.json"


def scan(directory: Path) -> list[str]:
    """Read every column of every table once."""
    with duckdb.connect(str(directory / "mart.duckdb"), read_only=True) as connection:
        for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            connection.execute(f"select bit_xor(hash(*columns(*))) from {table}").fetchall()
    return []


def suites_alone(directory: Path) -> list[str]:
    """Run the shipped suites; what did not pass."""
    results = run_suites(directory / "mart.duckdb", load_suites(shipped_suites()))
    return [result.message() for result in results if result.status != "passed"]


def whole_gate(directory: Path) -> list[str]:
    """Judge the candidate: the suites, its exports and the hashes of all files; what did not pass."""
    verdict = judge(directory, "benchmark", "benchmark", load_suites(shipped_suites()))
    return [result.message() for result in verdict.results if result.status != "passed"]


MEASURED: dict[str, Callable[[Path], list[str]]] = {"scan": scan, "suites": suites_alone, "gate": whole_gate}


def measure(name: str, directory: str) -> None:
    """Do one of ``MEASURED`` in this process and print its seconds and this process's peak memory as JSON.

    Great Expectations is imported before the clock starts: it takes as long for ten answers as for ten million.
    """
    started = time.perf_counter()
    if name != "scan":
        import expectations.datasource  # noqa: F401, PLC0415
    imported = time.perf_counter()
    problems = MEASURED[name](Path(directory))
    figures = {
        "import_seconds": round(imported - started, 2),
        "seconds": round(time.perf_counter() - imported, 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "problems": problems,
    }
    print(json.dumps(figures))  # noqa: T201


def _in_a_process(*words: str) -> dict[str, Any]:
    """This module with other words, and the JSON that it prints."""
    # A process inherits the peak of the one that starts it: nothing big is done in the one that starts the others.
    command = [sys.executable, "-m", "benchmarks.gate", *words]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603
    figures: dict[str, Any] = json.loads(printed)
    return figures


def _measured(name: str, directory: Path) -> dict[str, Any]:
    load = os.getloadavg()[0]
    figures = _in_a_process(name, str(directory))
    if problems := figures.pop("problems"):
        raise SystemExit(f"The mart of the benchmark breaks rules: {problems}")
    return {**figures, "load_average_before": round(load, 2)}


def main(rows: int) -> None:
    """Build, measure and write the results."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        tables = _in_a_process("build", folder, str(rows))
        size = (directory / "mart.duckdb").stat().st_size
        _measured("scan", directory)  # warms the cache
        figures = {name: _measured(name, directory) for name in MEASURED}
    scanned = figures["scan"]["seconds"]
    document = {
        "rows": tables,
        "mart_mib": size >> 20,
        "processors": os.cpu_count(),
        "duckdb": duckdb.__version__,
        **figures,
        "suites_in_scans": round(figures["suites"]["seconds"] / scanned, 1),
        "gate_in_scans": round(figures["gate"]["seconds"] / scanned, 1),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=2))  # noqa: T201


if __name__ == "__main__":
    match sys.argv[1:]:
        case [rows]:
            main(int(rows))
        case ["build", folder, rows]:
            print(json.dumps(build(Path(folder), int(rows))))  # noqa: T201
        case [name, folder]:
            measure(name, folder)
        case _:
            sys.exit("How many answers? For example: python -m benchmarks.gate 10000000")
