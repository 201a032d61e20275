"""Readers: whoever opens the published path sees one whole publication, however many publishers die meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nps_pipeline.home import Home
from nps_pipeline.publications import history, require_current
from tests.nps_pipeline.kill_publishers import KEEP
from tests.nps_pipeline.loads import ROOT

SEED = "readers 1"


def test_a_reader_sees_one_whole_publication_while_publishers_are_killed(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--kills")
    words = [sys.executable, "-m", "tests.nps_pipeline.kill_publishers", str(tmp_path), str(kills), SEED]
    seen = tmp_path / "seen"
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as publishers:
        wait_for(tmp_path / "ready", publishers)
        with seen.open("w", encoding="utf-8") as output:
            command = [sys.executable, "-m", "tests.nps_pipeline.read_in_a_loop", str(tmp_path)]
            reader = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.PIPE, text=True)
            published, complaints = publishers.communicate(timeout=30 + 3 * kills)
            (tmp_path / "stop").touch()
            _, failure = reader.communicate(timeout=60)

    said = f"seed {SEED!r}, {kills} kills"
    assert (publishers.returncode, complaints) == (0, ""), said
    assert (reader.returncode, failure) == (0, ""), said
    openings = [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]
    torn = [ids for ids, digest in openings if len(ids) != 1 or digest != digest_of(tmp_path, ids[0])]
    assert torn == [], said
    # and it was no idle reading
    done = json.loads(published)
    assert min(done["published"], done["rolled back"]) >= kills / 4, said
    assert len(openings) >= kills, said
    assert len({ids[0] for ids, _ in openings}) >= kills / 4, said
    home = Home(tmp_path / "home")
    assert require_current(home).publication_id == "p9999-000"
    assert len(history(home)) == KEEP
    assert list((home.publish / "publications").glob(".*")) == []


def digest_of(folder: Path, publication_id: str) -> str:
    return (folder / "digests" / publication_id).read_text(encoding="utf-8")


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if path.exists() or process.poll() is not None:
            return
        time.sleep(0.05)
