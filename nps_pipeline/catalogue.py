"""Catalogue: every publication on disk with what a person needs to choose one. It changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from expectations.verdict import GATE
from nps_pipeline import publications, warehouse
from nps_pipeline.hold import read_hold
from nps_pipeline.home import Home
from nps_pipeline.publications import Publication, PublicationError


@dataclass(frozen=True)
class Entry:
    """One publication; what cannot be read of a damaged one is None, and ``problem`` says so.

    ``size`` is in bytes; ``passed`` and ``failed_warnings`` are as its gate.json says.
    """

    publication_id: str
    published_at: str | None
    as_of_date: str | None
    responses: int | None
    size: int
    passed: bool | None
    failed_warnings: int | None
    current: bool
    held: bool
    problem: str | None = None


def catalogue(home: Home) -> list[Entry]:
    """All of them, the newest first.

    Raises:
        HoldError: The note that holds a publication is damaged.
    """
    hold = read_hold(home)
    held, current = hold.publication_id if hold else None, publications.current_name(home)
    return [_entry(home, name, current=name == current, held=name == held) for name in publications.names(home)[::-1]]


def _entry(home: Home, name: str, *, current: bool, held: bool) -> Entry:
    directory = home.publish / "publications" / name
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    try:
        publication = publications.read(directory)
        responses = warehouse.count_rows(publication.mart, "fct_nps_responses")
        passed, failed_warnings = _judged(directory)
    except (PublicationError, warehouse.WarehouseError) as error:
        return Entry(name, None, None, None, size, None, None, current, held, problem=str(error))
    published_at, as_of_date = _said(publication, "published_at"), _said(publication, "as_of_date")
    return Entry(name, published_at, as_of_date, responses, size, passed, failed_warnings, current, held)


def _said(publication: Publication, fact: str) -> str | None:
    return str(publication.facts[fact]) if fact in publication.facts else None


def _judged(directory: Path) -> tuple[bool, int]:
    """Whether its gate.json says passed, and how many warnings it lists that did not."""
    try:
        gate = json.loads((directory / GATE).read_text(encoding="utf-8"))
        results = [(result["severity"], result["status"]) for result in gate["results"]]
        return bool(gate["passed"]), sum(result[0] == "warning" and result[1] != "passed" for result in results)
    except (OSError, ValueError, TypeError, KeyError):
        raise PublicationError(f"{directory / GATE} cannot be read: nobody knows whether it passed the gate.") from None
