"""Candidates that pass every look of a swap: each contract table is there, tiny, and says whose it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from nps_pipeline.home import Home
from nps_pipeline.landing import sha256_of
from nps_pipeline.publications import MART, REPORT, Publication, swap
from nps_pipeline.warehouse import CONTRACT_TABLES


def tables_of(publication_id: str, tables: Sequence[str] = CONTRACT_TABLES) -> str:
    """SQL that makes the tables: every row names the publication, and how many rows there are depends on it too."""
    rows = int(hashlib.sha256(publication_id.encode()).hexdigest()[:2], 16) + 1
    return ";".join(
        f"create table {table} as select '{publication_id}' as publication_id, n::int as n, '{table}' as name "
        f"from range({1 if table == 'publication' else rows}) as r(n)"
        for table in tables
    )


def make_mart(mart: Path, publication_id: str) -> None:
    mart.unlink(missing_ok=True)
    with duckdb.connect(str(mart)) as connection:
        connection.execute(tables_of(publication_id))


def judge(directory: Path, publication_id: str, *, passed: bool = True, warnings: int = 0) -> None:
    """Write the verdict of a gate about the mart as it is now."""
    warning = {"table": "publication", "severity": "warning", "status": "failed", "failed_rows": 1}
    verdict = {
        "publication_id": publication_id,
        "mart_sha256": sha256_of(directory / MART),
        "parquet_sha256": {},
        "fingerprint": f"of {publication_id}",
        "suites_hash": "",
        "results": [{"check": f"warning_{number}", **warning} for number in range(warnings)],
        "passed": passed,
    }
    (directory / "gate.json").write_text(json.dumps(verdict), encoding="utf-8")


def facts_of(directory: Path, publication_id: str) -> dict[str, Any]:
    return {
        "publication_id": publication_id,
        "published_at": "2026-11-22T10:00:00",
        "as_of_date": "2026-11-22",
        "fingerprint": f"of {publication_id}",
        "mart_sha256": sha256_of(directory / MART),
    }


def make_candidate(home: Home, publication_id: str) -> Path:
    """A candidate whose every file says which publication it belongs to."""
    directory = home.publish / ".candidates" / publication_id
    (directory / "parquet").mkdir(parents=True)
    for name in (REPORT, "parquet/dim_surveys.parquet", "parquet/loads.parquet"):
        (directory / name).write_text(publication_id, encoding="utf-8")
    make_mart(directory / MART, publication_id)
    judge(directory, publication_id)
    return directory


def read_all(mart: Path) -> tuple[set[str], str]:
    """Every row of every table of a mart, read as a BI tool does: the ids found, and the hash of the content."""
    content = hashlib.sha256()
    ids: set[str] = set()
    with duckdb.connect(str(mart), read_only=True) as connection:
        for table in CONTRACT_TABLES:
            rows = connection.execute(f"select * from {table}").fetchall()
            ids.update(row[0] for row in rows)
            content.update(repr((table, rows)).encode())
    return ids, content.hexdigest()


def publish(home: Home, publication_id: str, keep: int = 10) -> Publication:
    directory = make_candidate(home, publication_id)
    return swap(home, directory, facts_of(directory, publication_id), keep)


def published(home: Home) -> set[str]:
    """The publications that the rows name which a BI tool reads."""
    return read_all(home.publish / "mart.duckdb")[0]
