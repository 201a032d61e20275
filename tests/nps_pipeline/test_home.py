"""The lock of a home: one process at a time, re-entrant within it, free as soon as its holder is gone."""

from __future__ import annotations

import os
import re
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from nps_pipeline.home import Home, HomeLockedError, lock
from tests.nps_pipeline.loads import Start, wait_for

HOLDER = """
import sys
from collections.abc import Callable
from pathlib import Path
from nps_pipeline.home import Home, lock

with lock(Home(Path(sys.argv[1])), sys.argv[2], "nps run"):
    Path(sys.argv[3]).touch()
    sys.stdin.readline()
Path(sys.argv[3] + "-released").touch()
sys.stdin.readline()
"""
ATTEMPT = """
import sys
from collections.abc import Callable
from pathlib import Path
from nps_pipeline.home import Home, HomeLockedError, lock

try:
    with lock(Home(Path(sys.argv[1])), sys.argv[2], "nps doctor"):
        sys.exit("free")
except HomeLockedError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def attempt(start: Start, home: Home) -> Callable[..., str]:
    """What another process is told that wants the lock now."""

    def ask(name: str = "run") -> str:
        _, answer = start(ATTEMPT, home.root, name).communicate(timeout=20)
        return answer.strip()

    return ask


def test_every_path_lies_below_the_root(home: Home) -> None:
    names = ("landing", "work_db", "publish", "inbox", "archive", "refused", "dagster", "locks")
    assert {getattr(home, name).parent for name in names} == {home.root}
    assert len({getattr(home, name) for name in names}) == len(names)


def test_another_process_is_refused_with_the_holder_s_purpose_and_process_id(
    home: Home, tmp_path: Path, start: Start
) -> None:
    holder = start(HOLDER, home.root, "run", tmp_path / "held")
    wait_for(tmp_path / "held")
    with pytest.raises(HomeLockedError) as refusal, lock(home, "run", "nps doctor"):
        pytest.fail("the lock was given twice")
    assert str(refusal.value) == (
        f"{home.root} is in use by nps run (process {holder.pid}). "
        "Nothing was changed; wait until it has finished and start again."
    )
    # what is printed is the sentence: no cause with errno trails behind it
    assert "BlockingIOError" not in "".join(traceback.format_exception(refusal.value))
    assert holder.poll() is None


def test_a_refusal_leaves_the_name_of_the_holder(home: Home, attempt: Callable[..., str]) -> None:
    with lock(home, "run", "nps run"):
        sentences = [attempt(), attempt()]
    assert sentences[0] == sentences[1]
    assert f"in use by nps run (process {os.getpid()})" in sentences[0]


def test_a_lock_is_re_entrant_in_its_process_and_held_until_the_outermost_ends(
    home: Home, attempt: Callable[..., str]
) -> None:
    with lock(home, "run", "nps run"):
        with lock(home, "run", "publish"), lock(Home(home.root / "." / "x" / ".."), "run", "publish"):
            pass
        assert f"in use by nps run (process {os.getpid()})" in attempt()
    assert attempt() == "free"


def test_locks_of_other_names_and_homes_are_independent(home: Home, tmp_path: Path, start: Start) -> None:
    start(HOLDER, home.root, "run", tmp_path / "held")
    wait_for(tmp_path / "held")
    entered = []
    for where, name in ((home, "landing-files-retail"), (Home(tmp_path / "other"), "run")):
        with lock(where, name, "test"):
            entered.append(name)
    assert entered == ["landing-files-retail", "run"]


def test_a_lock_ends_with_its_block(home: Home, tmp_path: Path, start: Start) -> None:
    holder = start(HOLDER, home.root, "run", tmp_path / "held")
    wait_for(tmp_path / "held")
    assert holder.stdin is not None
    holder.stdin.write("leave the block\n")
    holder.stdin.flush()
    wait_for(tmp_path / "held-released")
    with lock(home, "run", "test"):
        assert holder.poll() is None
        assert re.fullmatch(rf"test \(process {os.getpid()}\)\n", (home.locks / "run.lock").read_text())


class WorkFailedError(Exception):
    """Whatever may go wrong while a lock is held."""


def test_a_lock_ends_when_its_work_fails(home: Home, attempt: Callable[..., str]) -> None:
    with pytest.raises(WorkFailedError), lock(home, "run", "nps run"):
        raise WorkFailedError
    assert attempt() == "free"
    with lock(home, "run", "a longer purpose than before"), lock(home, "run", "again"):
        assert "a longer purpose" in attempt()


def test_a_lock_ends_with_a_killed_holder(home: Home, tmp_path: Path, start: Start) -> None:
    holder = start(HOLDER, home.root, "run", tmp_path / "held")
    wait_for(tmp_path / "held")
    holder.kill()
    assert holder.wait(20) == -signal.SIGKILL
    entered = False
    with lock(home, "run", "test"):
        entered = True
    assert entered
