"""Requeues in forked children, each killed one step later, and prints what was found after each; run by its test."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from nps_pipeline.inbox import pull_files
from nps_pipeline.landing import list_loads, verify
from nps_pipeline.requeue import requeue
from tests.nps_pipeline.killing import in_child, killed_at_every_step
from tests.nps_pipeline.loads import payloads
from tests.nps_pipeline.pipeline import Pipeline

MAPPING = {"name": "shop", "match": "[ab]*.csv", "id": "id", "score": "nps", "scale": [0, 10]}
DATED = {"responded_at": {"constant": "2026-01-01"}}


def pipeline(folder: Path, **changes: str) -> Pipeline:
    mappings = [{**MAPPING, **DATED, **changes}]
    if changes:
        mappings.append({**MAPPING, **DATED, "name": "late", "match": "late.csv", "score": "rating"})
    return Pipeline(folder, configuration={"version": 1, "sources": {"files": mappings}})


def prepare(folder: Path) -> None:
    """Two files whose names are not in the order in which they came, one that was refused, one that was renamed."""
    folder.mkdir()
    made = pipeline(folder)
    for name, text in (("b.csv", "id,nps,other\n1,9,3\n2,3,3\n"), ("a.csv", "id,nps,other\n2,5,6\n")):
        made.write(name, text)
        pull_files(made.settings())
    made.write("late.csv", "id,rating\n3,8\n")
    pull_files(made.settings())
    (made.home.archive / "b.csv").rename(made.home.archive / "renamed.csv")


def work(folder: Path) -> None:
    requeue(pipeline(folder, score="other").settings())


def state(folder: Path) -> dict[str, Any]:
    home = Pipeline(folder).home
    loads = list_loads(home)
    for load in loads:
        verify(load)
    replaced = {load_id for load in loads for load_id in load.manifest.replaces}
    counting = [load for load in loads if load.manifest.load_id not in replaced]
    rows = {name: json.loads(payload) for load in counting for name, payload in payloads(load)}
    return {
        "scores": {name: row["mapped"]["score"] for name, row in sorted(rows.items())},
        "loads": [[load.manifest.stream, load.manifest.load_seq, load.manifest.rows] for load in loads],
        "files": sorted(
            str(path.relative_to(home.root))
            for place in (home.archive, home.refused, home.root / ".requeue")
            for path in place.rglob("*")
        ),
    }


def repeated(folder: Path) -> dict[str, Any]:
    work(folder)
    return state(folder)


def kills(folder: Path) -> dict[str, Any]:
    """What an undisturbed requeue makes, what every kill left, and what the next requeue made of that."""
    base, undisturbed, numbers = folder / "base", folder / "undisturbed", count()
    in_child(lambda: prepare(base))
    shutil.copytree(base, undisturbed)

    def fresh() -> Path:
        return Path(shutil.copytree(base, folder / str(next(numbers))))

    new = in_child(lambda: repeated(undisturbed))
    found = []
    for step, left in killed_at_every_step(fresh, work):
        here = in_child(partial(state, left))
        is_repeated = len(found) % 3 == 0 or step in {"os.rename", "os.remove", "os.rmdir"}  # the rest is alike
        found.append(
            {"step": step, "left": here, "repeated": in_child(partial(repeated, left)) if is_repeated else None}
        )
    return {"new": new, "kills": found}


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    print(json.dumps(kills(Path(sys.argv[1]).resolve())))  # noqa: T201 - its answer
