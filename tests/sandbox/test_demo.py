"""The demo, as `make demo` starts it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


def demo(home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox.demo", "--home", str(home)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "home"


def test_the_demo_runs_the_loop_twice_and_says_where_to_look(home: Path) -> None:
    done = demo(home)

    assert done.returncode == 0, done.stdout + done.stderr
    first, second = done.stdout.split(" Second run, on the same state:", 1)
    for words in (
        *("NPS, all time", "95 % interval", "files.stores", "Quarantined", "score_not_available", "Published"),
        *("hubspot.feedback_submissions", "salesforce.NPS_Response__c", "zendesk.tickets", "Last sync"),
        "The CRMs took 4 write requests (salesforce 1, hubspot 2, zendesk 1).",
    ):
        assert words in first
    assert re.search(r"Published \S+: the same mart as \S+, with what the CRMs show by now\.", second)
    assert "The CRMs took 0 write requests (salesforce 0, hubspot 0, zendesk 0): the mart is the same" in second
    assert len(re.findall(r"exit code 0, \d+ seconds", done.stdout)) == 2
    for place in ("publish/current/report.html", "publish/mart.duckdb"):
        assert (home / place).exists()
        assert str(home / place) in second
    assert "http://127.0.0.1:3000" in second
    assert "Traceback" not in done.stdout + done.stderr


def test_the_demo_leaves_a_home_that_is_not_its_own_alone(tmp_path: Path) -> None:
    treasure = tmp_path / "landing"
    treasure.write_text("years of answers", encoding="utf-8")

    refused = demo(tmp_path)

    assert refused.returncode == 1
    assert "left alone" in refused.stderr
    assert treasure.exists()
