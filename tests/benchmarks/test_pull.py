"""The benchmark of the pull pulls all that there is, and its results keep what the documentation promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from benchmarks import pull, vast_crms
from tests.nps_pipeline.loads import ROOT

MILLION = 1_000_000
# The rows of the largest page that each way may ask for.
PAGES = {"hubspot": 100, "zendesk": 1_000, "salesforce_rest": 2_000, "salesforce_bulk": 20_000}
FEW = 20  # requests beside those of full pages: login, description, counts, what changed last
RESULTS: dict[str, Any] = json.loads(pull.RESULTS.read_text(encoding="utf-8"))


@contextmanager
def served(name: str, rows: int, folder: Path) -> Iterator[dict[str, str]]:
    server, environment = vast_crms.server_of(pull.WAYS[name].source, rows, folder)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield environment
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("name", pull.WAYS)
def test_it_pulls_every_contact_once_and_a_reconcile_finds_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.salesforce_bulk.PAGE", 1_000)
    monkeypatch.setattr("benchmarks.vast_crms.REST_PAGE", 1_000)
    by_bulk = replace(pull.WAYS["salesforce_bulk"], section={"surveys": False, "bulk_above": 1_000})
    monkeypatch.setattr(pull, "WAYS", {**pull.WAYS, "salesforce_bulk": by_bulk})
    rows = 2_050
    with served(name, rows, tmp_path) as reached:
        first, again = (pull.pulled(name, tmp_path, reached, reconcile=wish) for wish in (False, True))
    assert (first["mode"], first["rows"], first["live_records"]) == ("full", rows, rows)
    assert (again["mode"], again["rows"], again["live_records"]) == ("reconcile", 0, rows)
    assert again["reread_rows"] >= rows
    assert first["requests"] <= ceil(rows / min(PAGES[name], 1_000)) + FEW


@pytest.mark.parametrize("name", pull.WAYS)
def test_the_results_are_those_of_a_million_contacts(name: str) -> None:
    assert RESULTS["rows"] == MILLION
    first, again = RESULTS[name]["first"], RESULTS[name]["reconcile"]
    assert (first["mode"], first["rows"], first["live_records"]) == ("full", MILLION, MILLION)
    assert (again["mode"], again["rows"], again["live_records"]) == ("reconcile", 0, MILLION)
    for one in (first, again):
        assert one["requests"] <= ceil(MILLION / PAGES[name]) + FEW


@pytest.mark.parametrize("name", pull.WAYS)
@pytest.mark.parametrize("one", ["first", "reconcile"])
def test_a_pull_of_a_million_records_stays_under_the_memory_that_is_promised(name: str, one: str) -> None:
    figures = RESULTS[name][one]
    assert figures["imported_mb"] < figures["peak_mb"] < pull.PROMISED_MB


def test_the_documentation_says_what_was_measured() -> None:
    peaks = [RESULTS[name][one]["peak_mb"] for name in pull.WAYS for one in ("first", "reconcile")]
    text = " ".join((ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split())
    assert (
        f"at most {max(peaks)} MB, {RESULTS['hubspot']['first']['imported_mb']} MB of them for the code itself" in text
    )
    assert f"under {pull.PROMISED_MB} MB" in text
