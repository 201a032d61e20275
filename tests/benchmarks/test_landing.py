"""The benchmark of landing lands what it writes, and its recorded figures keep what the documentation says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.landing import RESULTS, land, prepare, read

ROWS = 2000


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("landing")
    prepare(path, ROWS)
    return path


def test_every_row_of_the_file_is_read_and_landed(directory: Path) -> None:
    assert read(directory) == ROWS
    assert land(directory) == ROWS


def test_a_million_rows_were_landed_in_less_than_twenty_seconds_and_one_gibibyte() -> None:
    figures = json.loads(RESULTS.read_text("utf-8"))
    assert figures["read"]["rows"] == figures["land"]["rows"] == 1_000_000
    assert figures["land"]["seconds"] < 20
    assert figures["land"]["peak_mib"] < 1024
