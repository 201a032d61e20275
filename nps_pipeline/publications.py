"""The published side: candidates, publications and the one link that is swapped. What is in a mart is unknown here.

``publish/publications/<publication_id>/`` holds what belongs together; ``publish/current`` names the directory that
counts; ``publish/mart.duckdb`` is the path that BI tools are given.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nps_pipeline import warehouse
from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home, fsync_directory, fsync_file
from nps_pipeline.landing import sha256_of

MART = "mart.duckdb"
REPORT = "report.html"
DOCUMENT = "publication.json"
_NEEDED_FACTS = {"publication_id", "fingerprint"}


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
    return _read(link.resolve()) if link.exists() else None


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


def history(home: Home) -> list[Publication]:
    """Every publication on disk, the oldest first."""
    return [_read(path) for path in sorted((home.publish / "publications").glob("[!.]*"))]


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


def swap(home: Home, directory: Path, facts: dict[str, Any], keep: int) -> Publication:
    """Publish a candidate: its files reach the disk, it gets its name, then one link is renamed into place.

    Args:
        home: The state directory.
        directory: The candidate, complete but for ``publication.json``.
        facts: The content of ``publication.json``; ``publication_id`` names the directory.
        keep: How many publications stay on disk.

    Raises:
        PublicationError: This publication is the current one; it is immutable.
    """
    publications = home.publish / "publications"
    final = publications / str(facts["publication_id"])
    if final.exists() and final.name == _current_name(home):
        raise PublicationError(f"{final.name} is published already. Nothing was changed; `nps run` builds a new one.")
    (directory / DOCUMENT).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    for path in sorted(directory.rglob("*")):
        (fsync_directory if path.is_dir() else fsync_file)(path)
    fsync_directory(directory)
    publications.mkdir(exist_ok=True)
    if final.exists():  # of a run that was killed before its link was swapped
        _remove(final)
    directory.rename(final)
    fsync_directory(publications)
    _point(home.publish / "mart.duckdb", Path("current") / MART)
    _point(home.publish / "current", Path("publications") / final.name)
    _prune(home, keep)
    return _read(final)


def _point(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)  # noqa: PTH105 - the one atomic step, named as what it is
    fsync_directory(link.parent)


def _current_name(home: Home) -> str | None:
    link = home.publish / "current"
    return link.readlink().name if link.is_symlink() else None


def _prune(home: Home, keep: int) -> None:
    publications = home.publish / "publications"
    for half_removed in publications.glob(".*"):
        shutil.rmtree(half_removed, ignore_errors=True)
    others = sorted(path for path in publications.glob("[!.]*") if path.name != _current_name(home))
    for path in others[: max(0, len(others) - keep + 1)]:
        _remove(path)


def _remove(directory: Path) -> None:
    """Remove a publication that nobody reads; whoever is killed here leaves a hidden rest, never half a publication."""
    hidden = directory.with_name(f".{directory.name}")
    shutil.rmtree(hidden, ignore_errors=True)
    directory.rename(hidden)
    shutil.rmtree(hidden)


def _read(directory: Path) -> Publication:
    try:
        facts = json.loads((directory / DOCUMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        facts = None
    if isinstance(facts, dict) and facts.keys() >= _NEEDED_FACTS and (directory / MART).is_file():
        return Publication(directory, facts)
    raise PublicationError(
        f"{directory} is no complete publication. Remove it, or point {directory.parent.parent / 'current'} to "
        "another one; `nps run` publishes again."
    )
