"""Hold: the note that readers were sent back to an older publication, and that no run may publish over it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home, fsync_directory, fsync_file

HELD = "held.json"


class HoldError(PipelineError):
    """The note cannot be read; the text says what to do."""


@dataclass(frozen=True)
class Hold:
    """What is held: ``since`` is a moment in UTC, ``rolled_back_from`` the publication that readers had until then."""

    publication_id: str
    since: str
    rolled_back_from: str

    def sentence(self, current: str | None) -> str:
        """What is held, since when, and how to go on; ``current`` is the id of the publication that readers see."""
        held = (
            f"{self.publication_id} is held since {self.since}, rolled back from {self.rolled_back_from}: runs publish "
            "nothing. `nps rollback --release` lets the next run publish again."
        )
        if current in (None, self.publication_id):
            return held
        return f"{held} Readers still see {current}: `nps rollback {self.publication_id}` finishes the way back."


def read_hold(home: Home) -> Hold | None:
    """What is held now.

    Raises:
        HoldError: The note is damaged. What it held is unknown, so nothing may be published.
    """
    path = home.publish / HELD
    try:
        return Hold(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        raise HoldError(
            f"{path} cannot be read, so which publication is held is unknown, and nothing is published. Hold one with "
            "`nps rollback`, or let runs publish again with `nps rollback --release`."
        ) from None


def write_hold(home: Home, hold: Hold) -> None:
    """Hold a publication; the note is on disk when this returns, and whole whenever it is there."""
    fresh = home.publish / f".{HELD}.new"
    fresh.write_text(json.dumps(asdict(hold), indent=1) + "\n", encoding="utf-8")
    fsync_file(fresh)
    fresh.replace(home.publish / HELD)
    fsync_directory(home.publish)


def remove_hold(home: Home) -> bool:
    """Let runs publish again; returns whether anything was held."""
    path = home.publish / HELD
    if not path.exists():
        return False
    path.unlink()
    fsync_directory(home.publish)
    return True
