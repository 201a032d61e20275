"""The benchmark of the gate measures a valid mart with every contract table, at any size."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import mart
from benchmarks.gate import scan, suites_alone, whole_gate
from nps_pipeline.warehouse import CONTRACT_TABLES
from tests.expectations import good_mart


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mart")


@pytest.fixture(scope="module")
def tables(directory: Path) -> dict[str, int]:
    return mart.build(directory, 2000)


def test_it_has_every_contract_table_in_proportion(tables: dict[str, int]) -> None:
    assert set(tables) == set(CONTRACT_TABLES)
    assert (tables["fct_nps_responses"], tables["dim_customers"], tables["sync_wanted"]) == (2000, 200, 600)
    assert [name for name, rows in tables.items() if rows == 0] == []


@pytest.mark.usefixtures("tables")
def test_it_breaks_no_rule_until_it_is_broken(directory: Path) -> None:
    assert scan(directory) == suites_alone(directory) == whole_gate(directory) == []

    good_mart.change(directory / "mart.duckdb", "update fct_nps_responses set score = 11 where score = 10")

    assert [message for message in suites_alone(directory) if "score_is_whole_and_in_range" in message]
