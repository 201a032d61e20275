"""How files arrive in the inbox: in archives, or while they are still being written."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from nps_pipeline import resting
from nps_pipeline.inbox import pull_files, retry_refused, told
from nps_pipeline.landing import list_loads
from tests.nps_pipeline.pipeline import Pipeline
from tests.nps_pipeline.test_inbox import MAPPING

ANSWERS = b"id,nps\n1,9\n2,4\n"


@pytest.fixture
def shop(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path, configuration={"version": 1, "sources": {"files": [dict(MAPPING)]}})


def drop(shop: Pipeline, name: str, content: bytes) -> Path:
    shop.home.inbox.mkdir(parents=True, exist_ok=True)
    (path := shop.home.inbox / name).write_bytes(content)
    return path


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.csv", content)
    return out.getvalue()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_files_of_an_archive_are_handled_one_by_one(shop: Pipeline) -> None:
    drop(shop, "all.zip", zipped(good=ANSWERS, bad=b"who,what\nx,y\n"))
    drop(shop, "more.csv.gz", gzip.compress(b"id,nps\n3,10\n"))
    outcomes = {outcome.name: outcome for outcome in pull_files(shop.settings())}
    assert {name: outcome.rows for name, outcome in outcomes.items()} == {
        "all.zip": 0, "more.csv.gz": 0, "good.csv": 2, "bad.csv": 0, "more.csv": 1,
    }  # fmt: skip
    assert told(outcomes["all.zip"]) == "unpacked, 2 files."
    assert "has no column id, nps" in str(outcomes["bad.csv"].refused)
    assert names(shop.home.archive) == {"all.zip", "good.csv", "more.csv", "more.csv.gz"}
    assert names(shop.home.refused) == {"bad.csv", "bad.csv.reason.txt"}
    assert names(shop.home.inbox) == set()


def test_the_same_archive_again_adds_nothing(shop: Pipeline) -> None:
    for _ in range(2):
        drop(shop, "all.zip", zipped(good=ANSWERS))
        pull_files(shop.settings())
    assert [load.manifest.rows for load in list_loads(shop.home)] == [2]


def test_an_archive_stays_until_all_of_its_files_are_put_away(shop: Pipeline) -> None:
    """What is killed between two files begins anew with the archive and lands nothing twice."""
    drop(shop, "all.zip", zipped(a=ANSWERS, b=b"id,nps\n3,10\n"))
    script = (
        "import os, sys; from pathlib import Path; import nps_pipeline.inbox as inbox\n"
        "from tests.nps_pipeline.test_arrival import MAPPING; from tests.nps_pipeline.pipeline import Pipeline\n"
        "move, moved = inbox._move, []\n"
        "def dies(path, folder):\n"
        "    os.kill(os.getpid(), 9) if moved else moved.append(move(path, folder))\n"
        "inbox._move = dies\n"
        "configuration = {'version': 1, 'sources': {'files': [dict(MAPPING)]}}\n"
        "inbox.pull_files(Pipeline(Path(sys.argv[1]), configuration=configuration).settings())\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(shop.home.root.parent)], check=False, cwd=Path.cwd())
    assert killed.returncode == -signal.SIGKILL
    assert "all.zip" in names(shop.home.inbox)

    pull_files(shop.settings())

    assert sorted(load.manifest.rows for load in list_loads(shop.home)) == [1, 2]
    assert names(shop.home.inbox) == set()


def test_a_dangerous_archive_is_refused_as_a_whole_and_not_tried_again(shop: Pipeline) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("good.csv", ANSWERS)
        archive.writestr("../evil.csv", ANSWERS)
    drop(shop, "all.zip", out.getvalue())
    (outcome,) = pull_files(shop.settings())
    assert "a file whose path leads out of the archive" in str(outcome.refused)
    assert names(shop.home.refused) == {"all.zip", "all.zip.reason.txt"}
    assert retry_refused(shop.settings(), lambda _: True) == []
    assert list_loads(shop.home) == []


@pytest.mark.parametrize("system_tells", [True, False])
def test_a_file_that_is_still_being_written_stays(
    shop: Pipeline, monkeypatch: pytest.MonkeyPatch, *, system_tells: bool
) -> None:
    path = drop(shop, "growing.csv", b"id,nps\n7,9\n")
    drop(shop, "whole.csv", ANSWERS)
    if not system_tells:
        monkeypatch.setattr(resting, "_LEASE", None)
        monkeypatch.setattr(time, "sleep", lambda _: path.write_bytes(b"id,nps\n7,9\n\n"))
    with path.open("ab") as writer:
        outcomes = {outcome.name: outcome for outcome in pull_files(shop.settings())}
        writer.write(b"8,4\n")
    assert told(outcomes["growing.csv"]) == "is still being written; it stays in the inbox until it rests."
    assert outcomes["whole.csv"].rows == 2
    assert names(shop.home.inbox) == {"growing.csv"}
    monkeypatch.undo()
    assert [outcome.rows for outcome in pull_files(shop.settings())] == [2]


def test_a_file_that_rests_is_not_waited_for(shop: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "_LEASE", None)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    path = drop(shop, "old.csv", ANSWERS)
    os.utime(path, (time.time() - 60, time.time() - 60))
    assert [outcome.rows for outcome in pull_files(shop.settings())] == [2]
    assert waited == [0.0]


COUNTED = ("answers.csv", "answers.csv.manifest.json")


def test_a_file_with_another_number_of_rows_than_its_manifest_says_is_refused_until_both_agree(shop: Pipeline) -> None:
    drop(shop, COUNTED[0], ANSWERS)
    drop(shop, COUNTED[1], b'{"rows": 3}')
    (outcome,) = pull_files(shop.settings())
    assert "answers.csv has 2 rows, but answers.csv.manifest.json says 3: the file was cut off" in str(outcome.refused)
    assert names(shop.home.refused) == {*COUNTED, "answers.csv.reason.txt"}
    assert list_loads(shop.home) == []

    (shop.home.refused / COUNTED[1]).write_text('{"rows": 2}', encoding="utf-8")
    assert [outcome.rows for outcome in retry_refused(shop.settings(), lambda _: True)] == [2]
    assert names(shop.home.refused) == names(shop.home.inbox) == set()
    assert names(shop.home.archive) == {*COUNTED}


def test_a_manifest_goes_with_its_file_into_the_archive_and_with_a_second_one_of_that_name(shop: Pipeline) -> None:
    for content, rows in ((ANSWERS, 2), (b"id,nps\n3,10\n", 1)):
        drop(shop, COUNTED[0], content)
        drop(shop, COUNTED[1], b'{"rows": %d, "made": "2026-11-22"}' % rows)
        assert [outcome.rows for outcome in pull_files(shop.settings())] == [rows]
    assert names(shop.home.archive) == {*COUNTED, "answers-2.csv", "answers-2.csv.manifest.json"}


@pytest.mark.parametrize("name", ["all.zip", "answers.csv.gz"])
def test_what_an_archive_holds_is_counted_too(shop: Pipeline, name: str) -> None:
    if name == "all.zip":
        with zipfile.ZipFile(drop(shop, name, b""), "w") as archive:
            archive.writestr("march/answers.csv.manifest.json", b'{"rows": 3}')
            archive.writestr("march/answers.csv", ANSWERS)
    else:
        drop(shop, name, gzip.compress(ANSWERS))
        drop(shop, f"{name}.manifest.json", b'{"rows": 3}')
    refused = {outcome.name: outcome.refused for outcome in pull_files(shop.settings())}
    assert "answers.csv has 2 rows" in str(refused["answers.csv"])
    assert names(shop.home.inbox) == set()
    assert names(shop.home.refused) == {*COUNTED, "answers.csv.reason.txt"}


@pytest.mark.parametrize("content", [b"", b"[2]", b'{"rows": "2"}', b'{"count": 2}', b"\xff", b'{"rows": true}'])
def test_a_manifest_without_a_number_of_rows_keeps_its_file_out(shop: Pipeline, content: bytes) -> None:
    drop(shop, COUNTED[0], ANSWERS)
    drop(shop, COUNTED[1], content)
    (outcome,) = pull_files(shop.settings())
    assert str(outcome.refused).startswith("answers.csv.manifest.json states no number of rows")
    assert list_loads(shop.home) == []


def test_a_manifest_that_is_a_link_is_refused_and_its_target_is_not_copied(shop: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"rows": 2}', encoding="utf-8")
    drop(shop, COUNTED[0], ANSWERS)
    (shop.home.inbox / COUNTED[1]).symlink_to(tmp_path / "elsewhere")
    (outcome,) = pull_files(shop.settings())
    assert "answers.csv.manifest.json is a symbolic link" in str(outcome.refused)
    assert (shop.home.refused / COUNTED[1]).is_symlink()


def test_a_file_waits_for_its_manifest_and_a_manifest_for_its_file(shop: Pipeline) -> None:
    drop(shop, COUNTED[0], ANSWERS)
    drop(shop, "other.csv.manifest.json", b'{"rows": 1}')
    with drop(shop, COUNTED[1], b"").open("ab") as writer:
        outcomes = {outcome.name: told(outcome) for outcome in pull_files(shop.settings())}
        writer.write(b'{"rows": 2}')
    assert set(outcomes) == {*COUNTED, "other.csv.manifest.json"}
    assert "is still being written" in outcomes["answers.csv"]
    assert outcomes["other.csv.manifest.json"].startswith("is the manifest of a file that is not here")
    assert {outcome.name: outcome.rows for outcome in pull_files(shop.settings())}["answers.csv"] == 2
    assert names(shop.home.inbox) == {"other.csv.manifest.json"}


@pytest.mark.parametrize("name", ["ü" * 120 + ".csv", "x" * 251 + ".csv", os.fsdecode(b"M\xe4rz.csv")])
def test_a_name_that_cannot_be_kept_is_refused_and_holds_no_other_file_up(shop: Pipeline, name: str) -> None:
    drop(shop, name, ANSWERS)
    drop(shop, "z.csv", ANSWERS)
    with zipfile.ZipFile(drop(shop, "all.zip", b""), "w") as archive:
        archive.writestr("x" * 251 + ".csv", ANSWERS)
    outcomes = pull_files(shop.settings())
    assert [outcome.rows for outcome in outcomes if outcome.name == "z.csv"] == [2]
    refused = [outcome for outcome in outcomes if outcome.refused]
    assert len(refused) == 2
    assert all("has a name of more than 236 bytes, or one that is not UTF-8" in told(one) for one in refused)
    kept = [path for path in shop.home.refused.rglob("*") if path.is_file() and "reason" not in path.name]
    assert [path.read_bytes() for path in kept] == [ANSWERS, ANSWERS]
    assert names(shop.home.inbox) == set()
