"""A sync killed at any point of a batch, and run again, leaves the CRM and the ledger as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from typing import Any

import pytest

from connectors.registry import discover
from sandbox.serve import Sandbox, start
from tests.nps_pipeline.kill_sync import KILL_POINTS
from tests.nps_pipeline.loads import ROOT

RECORDS = 5  # in batches of two
BATCHES = 3
# Per point: requests that had reached the CRM, batches that were noted, and requests in all after the next sync. Where
# a CRM works off a batch later on, it may be sent again before it is seen to be done.
COUNTS = {
    "before the intent": (1, 1, {3}),
    "after the intent": (1, 2, {3}),
    "after the request": (2, 2, {3, 4}),
    "before the outcome": (2, 2, {3}),
}


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of the syncs, by CRM."""
    with start(tmp_path_factory.mktemp("crms"), 7, date(2026, 11, 22), strict=False) as crms:
        told = json.dumps([access(crms, source) for source in discover()])
        command = [sys.executable, "-m", "tests.nps_pipeline.kill_sync", str(tmp_path_factory.mktemp("homes")), told]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def access(crms: Sandbox, source: str) -> dict[str, Any]:
    """Which records of a CRM are written, and how it is reached."""
    control = crms.control[source]
    return {
        "source": source,
        "records": people(crms, source),
        "environment": crms.environment,
        "url": control.url,
        "authority": str(control.authority) if control.authority else None,
    }


def people(crms: Sandbox, source: str) -> list[str]:
    """Some people who have a live record in the CRM."""
    (stream,) = {target.stream for target in discover()[source].targets}
    table = crms.control[source].state(stream)
    refs = [
        ref for person in crms.truth.persons for ref in person.records if (ref.source, ref.stream) == (source, stream)
    ]
    live = sorted(ref.record_id for ref in refs if table[ref.record_id]["deleted"] is None)
    assert len(live) > RECORDS
    return live[:RECORDS]


@pytest.mark.parametrize("source", discover())
def test_an_undisturbed_sync_writes_every_record(ends: dict[str, Any], source: str) -> None:
    found = ends[source]
    undisturbed = found["undisturbed"]
    assert found["problems"] == []
    assert undisturbed["writes"] == undisturbed["batches"] == BATCHES
    assert undisturbed["states"] == ["CONFIRMED"] * RECORDS
    assert len(undisturbed["confirmed"]) == 3 * RECORDS
    assert changed(found["before"], undisturbed["crm"]) == set(undisturbed["intended"])


@pytest.mark.parametrize("point", KILL_POINTS)
@pytest.mark.parametrize("source", discover())
def test_a_killed_sync_run_again_ends_in_the_state_of_an_undisturbed_one(
    ends: dict[str, Any], source: str, point: str
) -> None:
    found = ends[source]
    after = found[point]["next"]
    assert found[point]["problems"] == []
    assert after["crm"] == found["undisturbed"]["crm"]
    assert after["confirmed"] == found["undisturbed"]["confirmed"]
    assert after["states"] == ["CONFIRMED"] * RECORDS
    assert after["writes"] in COUNTS[point][2]


@pytest.mark.parametrize("point", KILL_POINTS)
@pytest.mark.parametrize("source", discover())
def test_whatever_reached_the_crm_was_noted_before(ends: dict[str, Any], source: str, point: str) -> None:
    found = ends[source]
    left = found[point]["left"]
    assert (left["writes"], left["batches"]) == COUNTS[point][:2]
    assert changed(found["before"], left["crm"]) <= set(left["intended"])
    assert left["states"].count("CONFIRMED") == 2


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The records that differ."""
    return {name for name in after if before.get(name) != after[name]}
