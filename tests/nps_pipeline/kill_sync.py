"""Syncs to running sandbox CRMs in forked children, one killed at each point of its second batch, and prints the ends.

Every child logs in and writes through the real connector. The parent itself writes only to the control interface.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from connectors.base import Session, Target
from nps_pipeline.home import Home
from nps_pipeline.ledger import Ledger
from nps_pipeline.plan import Place
from nps_pipeline.settings import Settings, load_settings
from nps_pipeline.sync_back import Outlets, sync
from nps_pipeline.sync_fields import SyncField
from sandbox.control import Control
from tests.nps_pipeline.killing import in_child, killed
from tests.nps_pipeline.loads import ROOT
from tests.nps_pipeline.sync_marts import ANSWERED, Observed, Wanted, publish

KILL_POINTS: Final = ("before the intent", "after the intent", "after the request", "before the outcome")
BATCH, KILLED_BATCH = 2, 2
TEXTS = {"number": "9", "date": "2026-03-10", "datetime": "2026-03-10T12:00:00Z"}


@dataclass(frozen=True)
class World:
    """One CRM with the records that are to be written, and the home from which each sync starts."""

    source: str
    records: tuple[str, ...]
    control: Control
    settings: Settings

    @property
    def fields(self) -> list[SyncField]:
        return [one for one in self.settings.sync_fields() if one.destination == self.source]

    @property
    def target(self) -> Target:
        return replace(self.settings.targets()[self.place], batch_size=BATCH)

    @property
    def place(self) -> Place:
        return self.source, self.fields[0].object

    def session(self) -> Session:
        session = self.settings.connect(self.source)
        assert session is not None
        return session

    def crm(self) -> dict[str, Any]:
        """Every record of the object, without its times."""
        return {name: record["fields"] for name, record in self.control.state(self.target.stream).items()}


def prepare(world: World, home: Home) -> None:
    """Publish a mart that wants every field of every record, and has observed what stands there."""
    with closing(world.session()) as session:
        present = session.read_back(world.target, world.records, {one.field: one.kind for one in world.fields})
    wanted, observed = [], []
    for one in world.fields:
        text = one.spelling.get("promoter", "promoter") if one.value == "category" else TEXTS[one.kind]
        for record_id in world.records:
            place = {"field": one.field, "destination": one.destination, "object": one.object}
            wanted.append(Wanted(record_id, text, ANSWERED, value=one.value, **place))
            observed.append(Observed(record_id, present[record_id][one.field], **place))
    publish(home, "p1", wanted, observed)


def run(world: World, home: Home) -> list[str]:
    """Sync; returns the problems."""
    outlets = Outlets(world.fields, {world.place: world.target}, lambda _: world.session())
    return sync(home, "apply", outlets).problems


def run_and_die(world: World, home: Home, point: str) -> None:
    """Sync, and be killed at this point of the second batch."""
    die_at = {
        "before the intent": lambda: _around(Ledger, "mark_sending", before=_die),
        "after the intent": lambda: _around(Ledger, "mark_sending", after=_die),
        "after the request": lambda: _around(session_class, "push", before=_die_at_the_answer),
        "before the outcome": lambda: _around(session_class, "push", after=_die),
    }
    with closing(world.session()) as session:
        session_class = type(session)
    die_at[point]()
    run(world, home)


def _around(
    owner: Any, name: str, *, before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None
) -> None:
    """Do something before or after the call for the second batch."""
    real, calls = getattr(owner, name), count(1)

    def wrapped(*arguments: Any) -> Any:
        is_the_one = next(calls) == KILLED_BATCH
        if is_the_one:
            before()
        result = real(*arguments)
        if is_the_one:
            after()
        return result

    setattr(owner, name, wrapped)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at_the_answer() -> None:
    """Be killed when the next request that is no mere reading was answered, before anybody looks at the answer."""
    real = http.client.HTTPConnection.getresponse

    def getresponse(self: http.client.HTTPConnection) -> http.client.HTTPResponse:
        response = real(self)
        if getattr(self, "_method", "GET") != "GET":
            _die()
        return response

    setattr(http.client.HTTPConnection, "getresponse", getresponse)  # noqa: B010 - so that no type checker minds


def seen(world: World, home: Home) -> dict[str, Any]:
    """What stands in the CRM, how often it was written to, and what the ledger knows."""
    with closing(sqlite3.connect(home.ledger)) as connection:
        ops = connection.execute("select record_id, state, batch_id from op order by record_id").fetchall()
        confirmed = connection.execute("select record_id, field, text from written order by 1, 2").fetchall()
    return {
        "crm": world.crm(),
        "writes": len(world.control.writes()),
        "states": [state for _, state, _ in ops],
        "intended": [record_id for record_id, _, batch in ops if batch],
        "batches": len({batch for *_, batch in ops if batch}),
        "confirmed": confirmed,
    }


def ends(world: World, folder: Path) -> dict[str, Any]:
    """What an undisturbed sync leaves, and for every point: what the killed one left, and what the next one made."""
    world.control.reset()
    base = Home(folder / "base")
    in_child(lambda: prepare(world, base))
    found: dict[str, Any] = {"before": world.crm()}
    undisturbed = _copy(base, folder / "undisturbed")
    found["problems"] = in_child(lambda: run(world, undisturbed))
    found["undisturbed"] = seen(world, undisturbed)
    for number, point in enumerate(KILL_POINTS):
        world.control.reset()
        home = _copy(base, folder / f"home-{number}")
        killed(lambda: run_and_die(world, home, point))  # noqa: B023 - called at once
        left = seen(world, home)
        problems = in_child(lambda: run(world, home))  # noqa: B023 - called at once
        found[point] = {"left": left, "problems": problems, "next": seen(world, home)}
    return found


def _copy(base: Home, root: Path) -> Home:
    return Home(shutil.copytree(base.root, root, symlinks=True))


def main(folder: Path, crms: list[dict[str, Any]]) -> dict[str, Any]:
    """Do all of it for each CRM.

    Args:
        folder: For the homes.
        crms: Of each the source, the ids of records, the url and the authority of its control interface, and the
            environment that reaches it.
    """
    found = {}
    for crm in crms:
        state = {"NPS_HOME": str(folder), "NPS_CONFIG": str(ROOT / "sandbox" / "demo.yaml")}
        control = Control(crm["url"], Path(crm["authority"]) if crm["authority"] else None)
        settings = load_settings(state | crm["environment"])
        world = World(crm["source"], tuple(crm["records"]), control, settings)
        world.session().close()  # so that no child imports the SDK again
        found[world.source] = ends(world, folder / world.source)
    return found


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    print(json.dumps(main(Path(sys.argv[1]).resolve(), json.loads(sys.argv[2]))))  # noqa: T201 - its answer
