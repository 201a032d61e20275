"""Judging: the gate on one candidate, and what it found as pages. What follows from the verdict is decided elsewhere.

``data_docs/<publication_id>/index.html`` is written for every candidate, also for one that is refused;
``data_docs/latest`` names the newest.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expectations.suites import Suite
from expectations.verdict import Verdict, judge
from nps_pipeline.home import Home
from nps_pipeline.settings import Settings

_INDEX = "index.html"


@dataclass(frozen=True)
class Judged:
    """A verdict and where its pages start, None where they could not be written."""

    verdict: Verdict
    page: Path | None


def judge_candidate(
    settings: Settings,
    candidate: Path,
    facts: Mapping[str, Any],
    suites: Sequence[Suite],
    say: Callable[[str], None],
) -> Judged:
    """Run the suites on a candidate once, and write ``gate.json`` and Data Docs from the results.

    Data Docs decide nothing, so that they cannot be written changes no verdict. The caller holds the run lock.

    Args:
        settings: How many pages stay on disk, and where.
        candidate: The directory that is judged.
        facts: Of the candidate: ``publication_id`` and ``fingerprint``.
        suites: What it is judged by.
        say: Is told when the pages are missing.

    Raises:
        GateError: The candidate could not be judged at all.
    """
    verdict = judge(candidate, facts["publication_id"], facts["fingerprint"], suites)
    from expectations.data_docs import DataDocsError  # noqa: PLC0415  # imports Great Expectations: seconds

    try:
        page = _document(settings.home, verdict, suites)
    except (OSError, DataDocsError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        say(f"Data Docs of this run could not be written to {settings.home.data_docs} ({reason}); the verdict stands.")
        return Judged(verdict, None)
    _prune(settings.home, settings.configuration.publish.keep)
    return Judged(verdict, page)


def _document(home: Home, verdict: Verdict, suites: Sequence[Suite]) -> Path:
    """Write the pages beside their place and rename them into it, so that nobody sees half of them."""
    from expectations.data_docs import write_data_docs  # noqa: PLC0415  # as above

    final = home.data_docs / verdict.publication_id
    fresh = final.with_name(f".{final.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    write_data_docs(fresh, verdict, suites)
    if final.exists():  # this candidate was judged before
        shutil.rmtree(final)
    fresh.rename(final)
    link = home.data_docs / ".latest"
    link.unlink(missing_ok=True)
    link.symlink_to(final.name)
    os.replace(link, home.data_docs / "latest")  # noqa: PTH105 - the one atomic step, named as what it is
    return final / _INDEX


def _prune(home: Home, keep: int) -> None:
    """Keep the pages of the newest candidates and of every publication that is still there."""
    for half_written in home.data_docs.glob(".*"):
        shutil.rmtree(half_written, ignore_errors=True)
    judged = sorted(path for path in home.data_docs.glob("[!.]*") if not path.is_symlink())
    for path in judged[:-keep]:
        if not (home.publish / "publications" / path.name).exists():
            shutil.rmtree(path, ignore_errors=True)
