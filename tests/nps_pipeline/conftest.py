from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nps_pipeline.home import Home
from sandbox.serve import Sandbox
from sandbox.serve import start as start_sandbox
from tests.nps_pipeline.loads import ROOT, Start


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A state directory that is not there yet."""
    return Home(tmp_path / "var")


@pytest.fixture(scope="session")
def crms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The running sandbox CRMs; what a module changes the next one resets.

    Their history ends today: the pipeline tells answers of the future by the time of the pull, which is the real one.
    """
    with start_sandbox(tmp_path_factory.mktemp("crms"), 7, datetime.now(UTC).date(), strict=False) as running:
        yield running


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python script with words; whatever is left of it at the end of the test is ended."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *words: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, *map(str, words)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
