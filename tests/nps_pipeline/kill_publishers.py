"""Publishes and rolls back in forked children, each killed at a random moment, while another process reads.

Words: the folder, how many publishers are killed, the seed. The digest of every publication is on disk before its swap.
It prints how often each action was finished.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

import pandas as pd  # noqa: F401 - DuckDB imports it at the first parameter

from nps_pipeline.home import Home
from nps_pipeline.publications import MART, PublicationError, swap
from nps_pipeline.rollback import release, rollback
from tests.nps_pipeline.small_marts import facts_of, make_candidate, read_all

KEEP = 5  # a reader follows the links in one instant; no publication goes while it does
LONGEST = 0.9  # seconds that a publisher lives: some are killed before their first swap, some after their fifth
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def publish(folder: Path, publication_id: str) -> None:
    """Publish a new publication whose digest is known before."""
    home = Home(folder / "home")
    candidate = make_candidate(home, publication_id)
    ids, digest = read_all(candidate / MART)
    if ids != {publication_id}:
        raise RuntimeError(f"{publication_id} holds {ids}")
    (folder / "digests" / publication_id).write_text(digest, encoding="utf-8")
    swap(home, candidate, facts_of(candidate, publication_id), KEEP)


def work(folder: Path, name: str, seed: str) -> None:
    """Publish and roll back in turns until killed; every finished action is noted."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    home = Home(folder / "home")
    with (folder / "actions").open("a", encoding="utf-8", buffering=1) as actions:
        for number in count():
            if chance.random() < 0.6:
                publish(folder, f"{name}-{number:03d}")
                actions.write("published\n")
            else:
                with suppress(PublicationError):  # nothing older is left
                    rollback(home, None, NOW)
                    actions.write("rolled back\n")
                release(home)


def alive(task: Callable[[], None]) -> int:
    """Start a task in a forked child; whatever goes wrong there is its exit status."""
    if (child := os.fork()) == 0:
        try:
            task()
        except BaseException:  # noqa: BLE001 - the parent must see that it ended
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def finished(task: Callable[[], None]) -> None:
    if os.waitpid(alive(task), 0)[1]:
        raise RuntimeError("a publisher that nobody killed failed")


def killed_after(seconds: float, task: Callable[[], None]) -> None:
    child = alive(task)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
        raise RuntimeError("a publisher failed before it was killed")


def main(folder: Path, kills: int, seed: str) -> None:
    """Publish, kill so many publishers, publish again."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    (folder / "digests").mkdir(parents=True)
    finished(partial(publish, folder, "p0000-000"))
    (folder / "ready").touch()
    for number in range(1, kills + 1):
        killed_after(chance.uniform(0, LONGEST), partial(work, folder, f"p{number:04d}", f"{seed} {number}"))
    finished(partial(publish, folder, "p9999-000"))  # whatever the killed ones left
    print(json.dumps(Counter((folder / "actions").read_text(encoding="utf-8").splitlines())))  # noqa: T201


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
