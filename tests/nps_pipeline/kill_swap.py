"""Swaps publications in forked children, each killed one step later, and prints what a reader found after each.

With ``rollbacks`` as its first word the children roll back; with ``steps`` it kills nobody and prints the steps of an
undisturbed swap, with ``as_nobody`` what a user without rights is told.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from nps_pipeline.hold import HELD
from nps_pipeline.home import Home
from nps_pipeline.publications import MART, current, history, swap
from nps_pipeline.rollback import rollback
from tests.nps_pipeline.killing import in_child, killed_at_every_step, recorded
from tests.nps_pipeline.small_marts import facts_of, make_candidate

KEEP = 2
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def publish(home: Home, publication_id: str, keep: int = KEEP) -> None:
    """Swap in a publication, from the candidate that a killed run left or from a new one."""
    candidate = home.publish / ".candidates" / publication_id
    if not candidate.exists():
        make_candidate(home, publication_id)
    swap(home, candidate, facts_of(candidate, publication_id), keep)


def read(directory: Path) -> dict[str, str]:
    """Everything in a publication, as a reader finds it: the hash of every file."""
    files = [path for path in sorted(directory.resolve().rglob("*")) if path.is_file()]
    return {path.name: hash_of(path) for path in files}


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def seen(home: Home) -> dict[str, Any]:
    """What readers of each kind see now."""
    now = current(home)
    link = home.publish / MART
    held = home.publish / HELD
    return {
        "current": now.publication_id if now else None,
        "files": read(home.publish / "current") if now else {},
        "mart": hash_of(link) if link.exists() else None,
        "history": [publication.publication_id for publication in history(home)],
        "held": json.loads(held.read_text(encoding="utf-8")) if held.exists() else None,
    }


def prepare(home: Home, published: tuple[str, ...], keep: int, waiting: tuple[str, ...]) -> None:
    """Publications that are out and candidates that wait; made in a child, as DuckDB starts threads."""
    home.publish.mkdir(parents=True)
    for publication_id in published:
        publish(home, publication_id, keep)
    for publication_id in waiting:
        make_candidate(home, publication_id)


def copies(base: Home) -> Callable[[], Home]:
    """Makes homes like this one; publications are immutable, so their files are linked, not copied."""
    numbers = count()
    return lambda: Home(
        shutil.copytree(base.root, base.root.with_name(f"home-{next(numbers)}"), symlinks=True, copy_function=os.link)
    )


def left(home: Home) -> list[str]:
    return sorted(path.name for path in (*home.publish.iterdir(), *(home.publish / "publications").iterdir()))


def steps(folder: Path, *published: str) -> list[tuple[str, str]]:
    """The steps of an undisturbed swap of p3 onto the publications that are there."""
    home = Home(folder / "home")
    in_child(partial(prepare, home, published, KEEP, ("p3",)))
    return recorded(home.root, lambda: publish(home, "p3"))


def kills(folder: Path, *published: str) -> dict[str, Any]:
    """What readers saw before, what they see after an undisturbed swap of p3, and what every kill left them."""
    base = Home(folder / "base")
    in_child(partial(prepare, base, published, KEEP, ("p3", "p4")))
    fresh = copies(base)

    def found(step: str, home: Home) -> dict[str, Any]:
        killed = seen(home)
        if killed["current"] != "p3":
            publish(home, "p3")
        again = seen(home)
        publish(home, "p4")
        return {"step": step, "killed": killed, "again": again, "after_p4": seen(home), "left": left(home)}

    undisturbed = fresh()
    in_child(partial(publish, undisturbed, "p3"))
    return {
        "old": seen(base),
        "new": seen(undisturbed),
        "kills": [
            in_child(partial(found, step, home))
            for step, home in killed_at_every_step(fresh, lambda home: publish(home, "p3"))
        ],
    }


def rollbacks(folder: Path, *published: str) -> dict[str, Any]:
    """The same of a rollback to p1, with what its repetition leaves."""
    base = Home(folder / "base")
    in_child(partial(prepare, base, published, len(published), ()))
    fresh = copies(base)

    def go_back(home: Home) -> None:
        rollback(home, "p1", NOW)

    def found(step: str, home: Home) -> dict[str, Any]:
        killed = seen(home)
        if killed["current"] != "p1":
            go_back(home)
        return {"step": step, "killed": killed, "again": seen(home), "left": left(home)}

    undisturbed = fresh()
    in_child(partial(go_back, undisturbed))
    return {
        "old": seen(base),
        "new": seen(undisturbed),
        "kills": [in_child(partial(found, step, home)) for step, home in killed_at_every_step(fresh, go_back)],
    }


def as_nobody(folder: Path) -> dict[str, Any]:
    """What a user without rights over the publication of another is told when he publishes over it."""
    home = Home(folder / "home")
    in_child(partial(prepare, home, ("p1",), KEEP, ("p2",)))
    (home.publish / "publications" / "p1" / MART).chmod(0o640)
    for path in (folder, home.root, *home.root.rglob("*")):
        os.chown(path, 4321, 4321, follow_symlinks=False)
    for path in (home.publish / "publications" / "p1").rglob("*"):
        os.chown(path, 1234, 1234)
    os.chown(home.publish / "publications" / "p1", 1234, 1234)

    def swapped() -> dict[str, Any]:
        sentences: list[str] = []
        candidate = home.publish / ".candidates" / "p2"
        facts = facts_of(candidate, "p2")
        os.setgroups([])
        os.setgid(4321)
        os.setuid(4321)
        now = swap(home, candidate, facts, KEEP, sentences.append)
        return {"current": now.publication_id, "mode": now.mart.stat().st_mode & 0o777, "sentences": sentences}

    return in_child(swapped)  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    task, folder, *published = sys.argv[1:]
    tasks: dict[str, Callable[..., Any]] = {
        "steps": steps,
        "kills": kills,
        "rollbacks": rollbacks,
        "as_nobody": as_nobody,
    }
    print(json.dumps(tasks[task](Path(folder).resolve(), *published)))  # noqa: T201 - its answer
