"""The benchmark of identity measures the shipped models, and they find the people that it made."""

from __future__ import annotations

from pathlib import Path

from benchmarks.identity import MODELS, measure


def test_half_as_many_customers_as_records_by_the_three_rules(tmp_path: Path) -> None:
    found = measure(tmp_path / "work.duckdb", 2000)

    assert (found["records"], found["edges"], found["customers"]) == (2000, 3500, 1000)
    assert set(found["models"]) == set(MODELS)
