"""Rollback: readers go back to an older publication, which is then held. Nothing is pulled, built or judged here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nps_pipeline import home as homes
from nps_pipeline import publications
from nps_pipeline.hold import Hold, HoldError, read_hold, remove_hold, write_hold
from nps_pipeline.home import Home
from nps_pipeline.publications import Publication, PublicationError


@dataclass(frozen=True)
class RolledBack:
    """The publication that readers see now, and the note that holds it."""

    publication: Publication
    hold: Hold


def rollback(home: Home, publication_id: str | None, now: datetime) -> RolledBack:
    """Let readers see another publication, and hold it; killed at any step it can be repeated.

    Args:
        home: The state directory.
        publication_id: Which; None for the one that readers had before the current one.
        now: Since when it is held, with its time zone.

    Raises:
        PublicationError: It is unknown, damaged or current already, or there is none; nothing was changed.
        HomeLockedError: A run is at work.
    """
    with homes.lock(home, "run", "nps rollback"):
        current = publications.current_name(home)
        if current is None:
            raise PublicationError(f"Nothing is published yet below {home.root}. Start with `nps run`.")
        wanted = _previous(home, current) if publication_id is None else publication_id
        if wanted not in publications.names(home):
            raise PublicationError(
                f"There is no publication {wanted} below {home.publish}. Nothing was changed; `nps publications` lists "
                "those that are there."
            )
        if wanted == current:
            raise PublicationError(_already(home, current))
        publication = publications.require_sound(home, wanted)
        hold = Hold(wanted, now.isoformat(timespec="seconds"), current)
        write_hold(home, hold)  # first: a run that starts right after the swap must not publish over it
        publications.show(home, wanted)
        return RolledBack(publication, hold)


def release(home: Home) -> bool:
    """Let the next run publish again; returns whether anything was held.

    Raises:
        HomeLockedError: A run is at work.
    """
    if not home.publish.exists():
        return False
    with homes.lock(home, "run", "nps rollback --release"):
        return remove_hold(home)


def _previous(home: Home, current: str) -> str:
    """What readers had before the current publication; where that is gone or unknown, the newest one that is older."""
    others = [name for name in publications.names(home) if name != current]
    noted = publications.previous_name(home)
    older = [name for name in others if name < current]
    if noted not in others and not older:
        raise PublicationError(
            f"No publication below {home.publish} is older than {current}, the current one. Nothing was changed; "
            "`nps publications` lists those that are there."
        )
    return noted if noted is not None and noted in others else older[-1]


def _already(home: Home, current: str) -> str:
    try:
        hold = read_hold(home)
    except HoldError:
        hold = None
    state = (
        hold.sentence(current) if hold and hold.publication_id == current else "It is not held: runs publish over it."
    )
    return f"{current} is what readers see already, so nothing was changed. {state}"
