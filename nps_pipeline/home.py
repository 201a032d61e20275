"""Where state lives: the paths below NPS_HOME and the locks that protect them. No content of any file is known here."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nps_pipeline.errors import PipelineError


class HomeLockedError(PipelineError):
    """Another process holds the lock; the text says which and what to do."""


@dataclass(frozen=True)
class Home:
    """The state directory of one pipeline; every path is derived from ``root``."""

    root: Path

    @property
    def landing(self) -> Path:
        """One directory per load (see ``nps_pipeline.landing``)."""
        return self.root / "landing"

    @property
    def work_db(self) -> Path:
        """The private database in which dbt builds; deleting it loses nothing."""
        return self.root / "work.duckdb"

    @property
    def publish(self) -> Path:
        """Publications and the ``current`` link (see ``nps_pipeline.publications``)."""
        return self.root / "publish"

    @property
    def data_docs(self) -> Path:
        """What the gate found in its last runs, as pages (see ``nps_pipeline.judging``)."""
        return self.root / "data_docs"

    @property
    def ledger(self) -> Path:
        """Every write to a CRM (see ``nps_pipeline.ledger``): the one file here that cannot be rebuilt."""
        return self.root / "ledger.sqlite"

    @property
    def ledger_backup(self) -> Path:
        """The ledger as it was when the last sync began."""
        return self.root / "ledger.backup.sqlite"

    @property
    def accepted_shrinks(self) -> Path:
        """The full pulls of which a person said that they serve enough (see ``nps_pipeline.shrink``)."""
        return self.root / "accepted_shrinks.json"

    @property
    def inbox(self) -> Path:
        """Where survey files are dropped."""
        return self.root / "inbox"

    @property
    def archive(self) -> Path:
        """Survey files that were landed."""
        return self.root / "archive"

    @property
    def refused(self) -> Path:
        """Survey files that could not be read, each with a ``.reason.txt``."""
        return self.root / "refused"

    @property
    def dagster(self) -> Path:
        """The Dagster instance: run history and its dagster.yaml."""
        return self.root / "dagster"

    @property
    def dbt(self) -> Path:
        """What dbt writes for itself: parsed project, compiled SQL, results, log."""
        return self.root / "dbt"

    @property
    def locks(self) -> Path:
        """Lock files; their content is only for messages, the lock is the flock."""
        return self.root / "locks"


# Locks this process already holds: flock on a second descriptor would refuse the owner itself.
_held: set[Path] = set()


@contextmanager
def lock(home: Home, name: str, purpose: str) -> Iterator[None]:
    """Hold the lock ``name`` of this home; within one process it is re-entrant.

    Args:
        home: Whose lock.
        name: File name below ``locks/``, without suffix.
        purpose: What the holder does, for the message of whoever is refused.

    Raises:
        HomeLockedError: Another process holds it.
    """
    path = (home.locks / f"{name}.lock").resolve()
    if path in _held:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
            raise HomeLockedError(
                f"{home.root} is in use by {holder}. Nothing was changed; wait until it has finished and start again."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{purpose} (process {os.getpid()})\n".encode(), 0)
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
    finally:
        os.close(descriptor)


def fsync_directory(directory: Path) -> None:
    """Make the entries of a directory (a rename, a new file) survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Make the bytes of a closed file survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
