"""Lands in forked children, each killed one step later, and prints what was found after each; run by its test.

With ``steps`` as its last word it kills nobody and prints the steps of an undisturbed run.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from connectors.base import Page
from nps_pipeline.home import Home
from nps_pipeline.landing import land, list_loads
from tests.nps_pipeline.killing import in_child, is_free, killed_at_every_step, recorded
from tests.nps_pipeline.loads import RETAIL, many, pull, record, scratch, state

FIRST = [record("a", "1", 1), record("b", "1", 1), record("c", "1", 1)]


def nothing_yet(home: Home) -> None:
    home.root.mkdir()


def one_load(home: Home) -> None:
    pull(home, *FIRST, cursor={"to": 1})


def a_dead_writer(home: Home) -> None:
    one_load(home)
    rest = home.landing / ".tmp" / "files.retail.20260101T000000.000000Z-00000000"
    rest.mkdir()
    (rest / "part-00000.parquet").write_bytes(b"PAR1 half a page")


def land_first(home: Home) -> None:
    land(home, RETAIL, many([FIRST[:2], FIRST[2:]], {"to": 1}))


def land_more(home: Home) -> None:
    pages = many([[FIRST[0], record("b", "2", 2)], [FIRST[2], record("d", "1", 2, deleted=True)]], {"to": 2})
    land(home, RETAIL, pages)


def land_correction(home: Home) -> None:
    """Pulled again after a kill, it must not replace itself: a caller names what it corrects, as here."""
    wrong = list_loads(home)[0].manifest
    if all(wrong.load_id not in load.manifest.replaces for load in list_loads(home)):
        request = dataclasses.replace(RETAIL, replaces=(wrong.load_id,))
        land(home, request, many([[FIRST[0]], [record("b", "9")]]))


def move_cursor(home: Home) -> None:
    pull(home, cursor={"to": 5})


def land_long(home: Home) -> None:
    """Goes on from where the last load ended, as a pull does."""
    loads = list_loads(home)
    done = loads[-1].manifest.cursor_after["to"] if loads else 0
    pages = [Page([record(str(to), "1", to)], {"to": to}) for to in range(1, 6) if to > done]
    land(home, dataclasses.replace(RETAIL, mode="incremental" if loads else "full"), pages, every=2)


SCENARIOS: dict[str, tuple[Callable[[Home], None], Callable[[Home], None]]] = {
    "the first load": (nothing_yet, land_first),
    "a second load with re-read rows": (a_dead_writer, land_more),
    "a correction": (one_load, land_correction),
    "a moved cursor": (one_load, move_cursor),
}
LONG = "a long pull"
EVERY_SCENARIO = {**SCENARIOS, LONG: (nothing_yet, land_long)}


def steps(folder: Path, scenario: str) -> list[tuple[str, str]]:
    """The steps of an undisturbed run."""
    prepare, work = EVERY_SCENARIO[scenario]
    home = Home(folder / "home")
    in_child(lambda: prepare(home))
    return recorded(home.root, lambda: work(home))


def kills(folder: Path, scenario: str) -> dict[str, Any]:
    """What was there before, what an undisturbed run makes of it, and what every kill left."""
    prepare, work = EVERY_SCENARIO[scenario]
    base = Home(folder / "base")
    in_child(lambda: prepare(base))
    numbers = count()

    def fresh() -> Home:
        return Home(shutil.copytree(base.root, folder / f"home-{next(numbers)}"))

    def undisturbed(home: Home) -> list[dict[str, Any]]:
        work(home)
        return state(home)

    def found(step: str, home: Home) -> dict[str, Any]:
        lock_file = home.locks / "landing-files-retail.lock"
        return {
            "step": step,
            "state": state(home),
            "lock_free": not lock_file.exists() or is_free(lock_file),
            "state_after_next": undisturbed(home),
            "scratch_after_next": scratch(home),
        }

    never_killed = fresh()
    return {
        "old": in_child(lambda: state(base)),
        "new": in_child(lambda: undisturbed(never_killed)),
        "kills": [in_child(partial(found, step, home)) for step, home in killed_at_every_step(fresh, work)],
    }


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    answer = (steps if sys.argv[3:] == ["steps"] else kills)(Path(sys.argv[1]).resolve(), sys.argv[2])
    print(json.dumps(answer))  # noqa: T201 - its answer
