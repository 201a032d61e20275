"""The published side: candidates, publications and the one link that is swapped. What is in a mart is unknown here.

``publish/publications/<publication_id>/`` holds what belongs together; ``publish/current`` names the directory that
counts; ``publish/mart.duckdb`` is the path that BI tools are given.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expectations.verdict import has_passed
from nps_pipeline import ownership, warehouse
from nps_pipeline.errors import PipelineError
from nps_pipeline.hold import HoldError, read_hold
from nps_pipeline.home import Home, fsync_directory, fsync_file
from nps_pipeline.landing import sha256_of

MART = "mart.duckdb"
REPORT = "report.html"
DOCUMENT = "publication.json"
_NEEDED_FACTS = {"publication_id", "fingerprint"}
_PREVIOUS = "previous"  # the fact that says what readers had before it


class PublicationError(PipelineError):
    """The published side is not as this module leaves it, or holds nothing yet; the text says what to do."""


@dataclass(frozen=True)
class Publication:
    """One complete, immutable publication."""

    directory: Path
    facts: dict[str, Any]

    @property
    def publication_id(self) -> str:
        """Its name, also the directory's."""
        return str(self.facts["publication_id"])

    @property
    def fingerprint(self) -> str:
        """Of the inputs that it was built from."""
        return str(self.facts["fingerprint"])

    @property
    def mart(self) -> Path:
        """The DuckDB file."""
        return self.directory / MART

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.directory / REPORT


def current(home: Home) -> Publication | None:
    """The publication that readers see now; None before the first, or when its directory was removed.

    Raises:
        PublicationError: The link points to something that is no publication.
    """
    link = home.publish / "current"
    return read(link.resolve()) if link.exists() else None


def require_current(home: Home) -> Publication:
    """The publication that readers see now.

    Raises:
        PublicationError: Nothing was published yet.
    """
    publication = current(home)
    if publication is None:
        raise PublicationError(f"Nothing is published yet below {home.root}. Start with `nps run`.")
    return publication


def is_whole(publication: Publication) -> bool:
    """Whether its mart is the file that was judged and its report is there: a damaged one is published anew."""
    whole = publication.mart.is_file() and publication.report.is_file()
    return whole and sha256_of(publication.mart) == publication.facts.get("mart_sha256")


def names(home: Home) -> list[str]:
    """The ids of all publications on disk, the oldest first; one of them may be damaged."""
    return sorted(path.name for path in (home.publish / "publications").glob("[!.]*"))


def history(home: Home) -> list[Publication]:
    """Every publication on disk, the oldest first."""
    return [read(home.publish / "publications" / name) for name in names(home)]


def current_name(home: Home) -> str | None:
    """The id of the publication that readers are led to, whatever state it is in; None before the first."""
    link = home.publish / "current"
    return link.readlink().name if link.is_symlink() else None


def previous_name(home: Home) -> str | None:
    """The id of the publication that readers had when the current one was published, as far as it is known."""
    try:
        now = current(home)
    except PublicationError:
        return None
    previous = now.facts.get(_PREVIOUS) if now else None
    return str(previous) if previous else None


def require_sound(home: Home, publication_id: str) -> Publication:
    """A publication on disk that is whole, passed the gate and can be read to its last row.

    Raises:
        PublicationError: It is not, or it is not there.
    """
    publication = read(home.publish / "publications" / publication_id)
    if (why := _unsound(publication.mart, publication_id, needed=set())) is not None:
        raise PublicationError(
            f"{publication.directory} is damaged: {why}. Nothing was changed; choose another one of `nps publications`."
        )
    return publication


def candidate(home: Home, run_id: str) -> Path:
    """The candidate of this run: the contract tables of the working database, copied once and closed.

    Candidates of other runs are removed: the caller holds the run lock, so they belong to runs that ended.

    Raises:
        WarehouseError: Nothing was built yet.
    """
    root = home.publish / ".candidates"
    directory = root / run_id
    if directory.exists():
        return directory
    shutil.rmtree(root, ignore_errors=True)
    incomplete = root / f".{run_id}"
    incomplete.mkdir(parents=True)
    warehouse.export_contract(home, incomplete)
    incomplete.rename(directory)
    return directory


def discard(directory: Path) -> None:
    """Remove a candidate that is not to be published."""
    shutil.rmtree(directory)


def swap(
    home: Home, directory: Path, facts: dict[str, Any], keep: int, say: Callable[[str], None] = lambda _: None
) -> Publication:
    """Publish a candidate: on disk, named, verified, and only then one link is renamed into place.

    Args:
        home: The state directory.
        directory: The candidate, complete but for ``publication.json``.
        facts: The content of ``publication.json``; ``publication_id`` names the directory, ``mart_sha256`` is the hash
            of the mart that was judged.
        keep: How many publications stay on disk; the current one, the one before it and a held one are never removed.
        say: Is told what an operator should know although the publication stands.

    Raises:
        PublicationError: This publication is the current one, and immutable; or what is on disk under its final name
            is not what was judged. Readers see what they saw before.
    """
    final = home.publish / "publications" / str(facts["publication_id"])
    before = current_name(home)
    if final.exists() and final.name == before:
        raise PublicationError(f"{final.name} is published already. Nothing was changed; `nps run` builds a new one.")
    (directory / DOCUMENT).write_text(json.dumps({**facts, _PREVIOUS: before}, indent=1) + "\n", encoding="utf-8")
    model = _model(home, before)
    refused = ownership.copy_rights(directory, model, model / MART) if model else []
    for path in sorted(directory.rglob("*")):
        (fsync_directory if path.is_dir() else fsync_file)(path)
    fsync_directory(directory)
    final.parent.mkdir(exist_ok=True)
    if final.exists():  # of a run that was killed before its link was swapped
        _remove(final)
    directory.rename(final)
    if model:  # after the rename: rights may forbid to move it
        refused += [] if ownership.copy_rights_of(final, model) else [final]
        fsync_directory(final)
    fsync_directory(final.parent)
    _verify(final, facts)
    show(home, final.name)
    if refused and model:
        say(_not_given(final, model, len(refused)))
    _prune(home, keep, before)
    return read(final)


def show(home: Home, publication_id: str) -> None:
    """Lead readers to a publication on disk, by one rename."""
    _point(home.publish / MART, Path("current") / MART)
    _point(home.publish / "current", Path("publications") / publication_id)


def _model(home: Home, name: str | None) -> Path | None:
    """The publication whose rights are taken over; None leaves everything to the umask."""
    model = home.publish / "publications" / name if name else None
    return model if model and (model / MART).is_file() else None


def _not_given(final: Path, model: Path, number: int) -> str:
    return (
        f"{number:,} files and directories of {final.name} could not be given the owner and group that those of "
        f"{model.name} have: this user has no right to. If readers need them, use chown, or run as a user who may."
    )


def _verify(final: Path, facts: dict[str, Any]) -> None:
    """Look at what readers are about to be led to: it must be what was judged, under this name, readable to the end."""
    why = _unsound(final / MART, final.name, needed=set(warehouse.CONTRACT_TABLES))
    if why is None and sha256_of(final / MART) != facts["mart_sha256"]:
        why = "its mart is not the one of this run"
    if why is not None:
        _remove(final)
        fsync_directory(final.parent)
        raise PublicationError(
            f"{final.name} was not published: {why}. Readers see what they saw before. Run again; if it is said again, "
            "check the disk."
        )


def _unsound(mart: Path, publication_id: str, needed: set[str]) -> str | None:
    """Why a mart must not be shown, None if nothing speaks against it; tables in ``needed`` must be there."""
    if not has_passed(mart.parent):
        return "gate.json beside it does not say that this very mart passed the gate"
    try:
        tables, ids = warehouse.read_whole(mart)
    except warehouse.WarehouseError:
        return "DuckDB cannot read all of its mart"
    if missing := sorted(needed - tables):
        return f"its mart lacks {', '.join(missing)}"
    return None if ids == [publication_id] else "its table publication does not name it, and it alone"


def _point(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)  # noqa: PTH105 - the one atomic step, named as what it is
    fsync_directory(link.parent)


def _prune(home: Home, keep: int, before: str | None) -> None:
    """Remove the oldest publications but for the current one, the one before it and a held one."""
    publications = home.publish / "publications"
    for half_removed in publications.glob(".*"):
        ownership.make_removable(half_removed)
        shutil.rmtree(half_removed, ignore_errors=True)
    try:
        hold = read_hold(home)
    except HoldError:  # whichever it holds: nothing is removed until a person has mended it
        return
    needed = {current_name(home), before, hold.publication_id if hold else None}
    needed_here = [name for name in names(home) if name in needed]
    others = [name for name in names(home) if name not in needed]
    for name in others[: max(0, len(others) - max(0, keep - len(needed_here)))]:
        _remove(publications / name)


def _remove(directory: Path) -> None:
    """Remove a publication that nobody reads; whoever is killed here leaves a hidden rest, never half a publication."""
    hidden = directory.with_name(f".{directory.name}")
    if hidden.exists():
        ownership.make_removable(hidden)
        shutil.rmtree(hidden, ignore_errors=True)
    directory.rename(hidden)
    ownership.make_removable(hidden)
    shutil.rmtree(hidden)


def read(directory: Path) -> Publication:
    """The publication in a directory.

    Raises:
        PublicationError: Something else is there, or nothing.
    """
    try:
        facts = json.loads((directory / DOCUMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = None
    if isinstance(facts, dict) and facts.keys() >= _NEEDED_FACTS and (directory / MART).is_file():
        return Publication(directory, facts)
    raise PublicationError(
        f"{directory} is no complete publication. Remove it, or point {directory.parent.parent / 'current'} to "
        "another one with `nps rollback`; `nps run` publishes again."
    )
