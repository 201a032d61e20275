"""Binds the results of the gate to the files that were judged: writes and reads ``gate.json``. No rule stands here.

A verdict holds for these bytes and these suites only: after a change to the mart, an export, a suite or the results
there is none. It guards against mistakes and shortcuts. It is no signature: a person who may write the directory and
means to deceive can compute the hashes too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from expectations.runner import CheckResult, Outcome, Status, result_of, run_suites
from expectations.suites import EXPORTS_CHECK, Check, Severity, Suite, hash_of

MART = "mart.duckdb"
GATE = "gate.json"

PARQUET_MATCHES_TABLE = Check(
    name=EXPORTS_CHECK,
    table="parquet",
    severity="critical",
    owner="data engineering",
    says="Each table has its Parquet file with as many rows, and no other Parquet file is there.",
    remedy="build the candidate again; its tables are exported when the mart is complete.",
)


class GateError(Exception):
    """The files could not be judged at all; the text says which and what to do."""


class _StoredResult(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    check: str
    table: str
    severity: Severity
    status: Status
    failed_rows: int | None


class _Gate(BaseModel):
    """What stands in gate.json: hashes and counts, no words of a rule and no value of the data."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    publication_id: str
    mart_sha256: str
    parquet_sha256: dict[str, str]
    fingerprint: str
    suites_hash: str
    results: list[_StoredResult]
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """What the gate found about these very files; hashes are sha256 in hex, ``parquet_sha256`` by file name."""

    publication_id: str
    mart_sha256: str
    parquet_sha256: Mapping[str, str]
    fingerprint: str
    suites_hash: str
    results: tuple[CheckResult, ...]

    @property
    def blocking(self) -> tuple[CheckResult, ...]:
        """The critical checks that failed or could not run: nothing may be published because of them."""
        return tuple(result for result in self.results if result.blocks)

    @property
    def passed(self) -> bool:
        """Whether no critical check failed or could not run."""
        return not self.blocking


def judge(directory: Path, publication_id: str, fingerprint: str, suites: Sequence[Suite]) -> Verdict:
    """Run the suites on ``mart.duckdb`` of a candidate, compare its exports, and write ``gate.json`` beside it.

    Args:
        directory: holds ``mart.duckdb``, closed, and ``parquet/*.parquet``.
        publication_id: the name that the candidate is to be published under.
        fingerprint: of the inputs that the candidate was built from.
        suites: read by ``load_suites``.

    Returns:
        The verdict; ``gate.json`` is written whether it passed or not.

    Raises:
        GateError: there are no suites, the mart is missing or not closed, or a file changed while it was judged; no
            gate.json is written.
        SuiteError: two expectations have one name.
    """
    if not suites:
        raise GateError(
            f"No suite was given to judge {directory} with, so nothing was judged. Give the shipped suites."
        )
    before = _hashes(directory)
    results = [*run_suites(directory / MART, suites), result_of(PARQUET_MATCHES_TABLE, _compare_exports(directory))]
    if _hashes(directory) != before:
        raise GateError(
            f"A file in {directory} changed while it was judged, so the results mean nothing and none were written. "
            "See who else writes there, and run again."
        )
    mart_sha256, parquet_sha256 = before
    verdict = Verdict(publication_id, mart_sha256, parquet_sha256, fingerprint, hash_of(suites), tuple(results))
    _write(directory / GATE, _stored(verdict).model_dump_json(indent=2) + "\n")
    return verdict


def read_verdict(directory: Path, suites: Sequence[Suite]) -> Verdict | None:
    """The verdict in ``gate.json``, if it is about the files as they are now and the suites as they are now.

    Returns:
        None where the mart, an export, a suite or the results differ from what was judged, or nothing was judged. A
        verdict that did not pass is returned too: ask ``passed``.
    """
    try:
        gate = _Gate.model_validate_json((directory / GATE).read_bytes())
        hashes = _hashes(directory)
    except (OSError, ValidationError, GateError):
        return None
    checks: list[Check] = [*(check for suite in suites for check in suite.expectations), PARQUET_MATCHES_TABLE]
    if (gate.mart_sha256, gate.parquet_sha256) != hashes or len(gate.results) != len(checks):
        return None
    verdict = Verdict(
        publication_id=gate.publication_id,
        mart_sha256=gate.mart_sha256,
        parquet_sha256=gate.parquet_sha256,
        fingerprint=gate.fingerprint,
        suites_hash=hash_of(suites),
        results=tuple(
            result_of(check, Outcome(stored.status, stored.failed_rows))
            for check, stored in zip(checks, gate.results, strict=True)
        ),
    )
    # Whatever gate.json says must be what this verdict would write: names, severities, `passed` and the suites' hash.
    return verdict if _stored(verdict) == gate else None


def has_passed(directory: Path) -> bool:
    """Whether this very ``mart.duckdb`` passed the gate when it was judged, also if the suites are others by now."""
    mart = directory / MART
    try:
        gate = _Gate.model_validate_json((directory / GATE).read_bytes())
        is_judged = gate.mart_sha256 == _sha256(mart) and not mart.with_name(f"{MART}.wal").exists()
    except (OSError, ValidationError):
        return False
    blocked = any(result.severity == "critical" and result.status != "passed" for result in gate.results)
    return is_judged and gate.passed and not blocked


def _stored(verdict: Verdict) -> _Gate:
    return _Gate(
        publication_id=verdict.publication_id,
        mart_sha256=verdict.mart_sha256,
        parquet_sha256=dict(verdict.parquet_sha256),
        fingerprint=verdict.fingerprint,
        suites_hash=verdict.suites_hash,
        results=[
            _StoredResult(
                check=result.check,
                table=result.table,
                severity=result.severity,
                status=result.status,
                failed_rows=result.failed_rows,
            )
            for result in verdict.results
        ],
        passed=verdict.passed,
    )


def _hashes(directory: Path) -> tuple[str, dict[str, str]]:
    mart = directory / MART
    if mart.with_name(f"{MART}.wal").exists():
        raise GateError(f"{mart} has a write-ahead log, so it is not closed and cannot be judged. Close it, run again.")
    exports = _exports(directory)
    try:
        with ThreadPoolExecutor() as pool:
            mart_sha256, *hashes = pool.map(_sha256, [mart, *exports])
        return mart_sha256, {path.name: sha256 for path, sha256 in zip(exports, hashes, strict=True)}
    except OSError as error:
        raise GateError(
            f"{error.filename} cannot be read ({error.strerror}), so nothing was judged. Build the candidate again."
        ) from error


def _exports(directory: Path) -> list[Path]:
    return sorted((directory / "parquet").glob("*.parquet"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compare_exports(directory: Path) -> Outcome:
    """How many rows the tables and their Parquet files differ by; a table or file without the other is a difference."""
    try:
        tables = _rows_of_tables(directory / MART)
        exports = {path.stem: pq.read_metadata(path).num_rows for path in _exports(directory)}
    except (duckdb.Error, pa.ArrowException, OSError):
        return Outcome("error")
    only_one = sum(max(1, tables.get(name, 0), exports.get(name, 0)) for name in tables.keys() ^ exports.keys())
    differing = only_one + sum(abs(tables[name] - exports[name]) for name in tables.keys() & exports.keys())
    return Outcome("failed" if differing else "passed", differing)


def _rows_of_tables(mart: Path) -> dict[str, int]:
    with duckdb.connect(str(mart), read_only=True) as connection:
        names = connection.execute("select table_name from duckdb_tables() where not internal").fetchall()
        return {name: _rows_of_table(connection, name) for (name,) in names}


def _rows_of_table(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    identifier = name.replace('"', '""')
    (rows,) = connection.execute(f'select count(*) from "{identifier}"').fetchall()[0]
    return int(rows)


def _write(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or none: beside it, to disk, then one rename."""
    partial = path.with_name(f".{path.name}.tmp")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
