"""Swaps a publication in forked children, each killed one step later, and prints what a reader found after each.

With ``steps`` as its first word it kills nobody and prints the steps of an undisturbed swap.
"""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from nps_pipeline.home import Home
from nps_pipeline.publications import MART, REPORT, current, history, swap
from tests.nps_pipeline.killing import in_child, killed_at_every_step, recorded

KEEP = 2


def make_candidate(home: Home, publication_id: str) -> Path:
    """A candidate whose every file says which publication it belongs to."""
    directory = home.publish / ".candidates" / publication_id
    (directory / "parquet").mkdir(parents=True)
    for name in (MART, REPORT, "gate.json", "parquet/dim_surveys.parquet", "parquet/loads.parquet"):
        (directory / name).write_text(publication_id, encoding="utf-8")
    return directory


def publish(home: Home, publication_id: str) -> None:
    """Swap in a publication, from the candidate that a killed run left or from a new one."""
    candidate = home.publish / ".candidates" / publication_id
    if not candidate.exists():
        make_candidate(home, publication_id)
    swap(home, candidate, {"publication_id": publication_id, "fingerprint": f"of {publication_id}"}, KEEP)


def read(directory: Path) -> dict[str, str]:
    """Everything in a publication, as a reader finds it."""
    files = [path for path in sorted(directory.resolve().rglob("*")) if path.is_file()]
    return {path.name: path.read_text(encoding="utf-8") for path in files}


def seen(home: Home) -> dict[str, Any]:
    """What readers of each kind see now."""
    now = current(home)
    link = home.publish / MART
    return {
        "current": now.publication_id if now else None,
        "files": read(home.publish / "current") if now else {},
        "mart": link.read_text(encoding="utf-8") if link.exists() else None,
        "history": [publication.publication_id for publication in history(home)],
    }


def steps(folder: Path, *published: str) -> list[tuple[str, str]]:
    """The steps of an undisturbed swap of p3 onto the publications that are there."""
    home = Home(folder / "home")
    for publication_id in published:
        publish(home, publication_id)
    make_candidate(home, "p3")
    return recorded(home.root, lambda: publish(home, "p3"))


def kills(folder: Path, *published: str) -> dict[str, Any]:
    """What readers saw before, what they see after an undisturbed swap of p3, and what every kill left them."""
    base = Home(folder / "base")
    base.publish.mkdir(parents=True)
    for publication_id in published:
        publish(base, publication_id)
    make_candidate(base, "p3")
    numbers = count()

    def fresh() -> Home:
        return Home(shutil.copytree(base.root, folder / f"home-{next(numbers)}", symlinks=True))

    def found(step: str, home: Home) -> dict[str, Any]:
        killed = seen(home)
        if killed["current"] != "p3":
            publish(home, "p3")
        again = seen(home)
        publish(home, "p4")
        left = sorted(path.name for path in (*home.publish.iterdir(), *(home.publish / "publications").iterdir()))
        return {"step": step, "killed": killed, "again": again, "after_p4": seen(home), "left": left}

    undisturbed = fresh()
    publish(undisturbed, "p3")
    return {
        "old": seen(base),
        "new": seen(undisturbed),
        "kills": [
            in_child(partial(found, step, home))
            for step, home in killed_at_every_step(fresh, lambda home: publish(home, "p3"))
        ],
    }


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    task, folder, *published = sys.argv[1:]
    answer = {"steps": steps, "kills": kills}[task](Path(folder).resolve(), *published)
    print(json.dumps(answer))  # noqa: T201 - its answer
