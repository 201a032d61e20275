"""Publish: a judged candidate becomes the publication that everyone reads, or nothing changes at all."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import dagster as dg

from expectations.suites import Suite
from expectations.verdict import Verdict, read_verdict
from nps_pipeline import __version__, publications, warehouse
from nps_pipeline.errors import PipelineError
from nps_pipeline.hold import Hold, read_hold
from nps_pipeline.judging import judge_candidate
from nps_pipeline.keys import GROUPS, PROBLEMS, PUBLISHED_MART, table
from nps_pipeline.progress import tell
from nps_pipeline.publications import Publication
from nps_pipeline.resources import Run
from nps_pipeline.settings import Settings


class RenderReport(Protocol):
    """Makes the HTML page of a closed mart."""

    def __call__(self, mart: Path, *, comments: Literal["shown", "hidden"]) -> str:
        """Return the page."""
        ...


class GateRefusedError(Exception):
    """The candidate must not be published; the text has one sentence per check that says so."""


@dataclass(frozen=True)
class Published:
    """What publishing did.

    ``publication`` is what readers see now, None while nothing was ever landed; ``changed`` says whether it is new, and
    ``same_as`` names the one before it where both hold the same but for what the CRMs showed. ``hold`` is why a
    candidate that passed was not published, ``notes`` are sentences for the operator.
    """

    publication: Publication | None
    changed: bool
    same_as: str | None = None
    hold: Hold | None = None
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """What makes a run degraded although a sound publication stands."""
        if self.hold is None:
            return []
        current = self.publication.publication_id if self.publication else None
        return [f"This run published nothing. {self.hold.sentence(current)}"]


def publish(settings: Settings, run_id: str, suites: Sequence[Suite], render_report: RenderReport) -> Published:
    """Judge the candidate unless this run's gate did, then publish it if its content is new.

    Args:
        settings: The configuration.
        run_id: Names the candidate, so that a run judges and publishes the same one.
        suites: What the candidate is judged by.
        render_report: Makes the HTML page from a closed mart.

    Raises:
        GateRefusedError: A critical check failed or could not run; the last publication stays as it is.
        WarehouseError: Nothing was built yet.
        PublicationError: What reached the disk is not what was judged; the last publication stays as it is.
        HoldError: Which publication is held cannot be read; the last publication stays as it is.
    """
    home = settings.home
    facts = warehouse.work_publication(home)
    candidate = publications.candidate(home, run_id)
    now = publications.current(home)
    if now is None and facts["input_loads"] == "[]":
        publications.discard(candidate)
        return Published(None, changed=False)
    notes: list[str] = []
    verdict = read_verdict(candidate, suites)
    if verdict is None:
        verdict = judge_candidate(settings, candidate, facts, suites, say=notes.append).verdict
    if not verdict.passed:
        raise GateRefusedError(_refusal(verdict))
    hold = read_hold(home)
    if hold is not None:
        publications.discard(candidate)
        return Published(now, changed=False, hold=hold, notes=tuple(notes))
    if now is not None and now.fingerprint == facts["fingerprint"] and publications.is_whole(now):
        publications.discard(candidate)
        return Published(now, changed=False, notes=tuple(notes))
    page = render_report(candidate / publications.MART, comments=settings.configuration.reporting.comments)
    (candidate / publications.REPORT).write_text(page, encoding="utf-8")
    keep = settings.configuration.publish.keep
    swapped = publications.swap(home, candidate, _document(facts, verdict), keep, say=notes.append)
    same = now is not None and now.facts.get("content_hash") == facts["content_hash"]
    same_as = now.publication_id if now and same else None
    return Published(swapped, changed=True, same_as=same_as, notes=tuple(notes))


def _refusal(verdict: Verdict) -> str:
    sentences = [result.message() for result in verdict.blocking]
    return "\n".join(["Nothing was published; the last publication stays as it is.", *sentences])


def _document(facts: dict[str, Any], verdict: Verdict) -> dict[str, Any]:
    return {
        "publication_id": facts["publication_id"],
        "published_at": facts["published_at"].isoformat(),
        "as_of_date": facts["as_of_date"].isoformat(),
        "fingerprint": facts["fingerprint"],
        "content_hash": facts["content_hash"],
        "mart_sha256": verdict.mart_sha256,
        "suites_hash": verdict.suites_hash,
        "pipeline_version": __version__,
    }


def published_mart(suites: Sequence[Suite], render_report: RenderReport) -> dg.AssetsDefinition:
    """The asset at which everything becomes visible.

    Args:
        suites: What the candidate is judged by.
        render_report: Makes the HTML page from a closed mart.
    """

    @dg.asset(
        key=PUBLISHED_MART,
        deps=[table("marts", name) for name in warehouse.CONTRACT_TABLES],
        group_name=GROUPS["publication"],
        kinds={"duckdb", "parquet"},
        description="The mart that BI tools read: judged, hashed and swapped in by one rename.",
    )
    def asset(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:  # type: ignore[type-arg]
        started = time.monotonic()
        try:
            published = publish(run.settings, context.run.run_id, suites, render_report)
        except (GateRefusedError, PipelineError) as refusal:
            raise dg.Failure(description=str(refusal), allow_retries=False) from None
        for sentence in [_told(published, run.settings), *published.notes]:
            tell(context, sentence)
        seconds = round(time.monotonic() - started, 3)
        return dg.MaterializeResult(
            metadata={
                "changed": published.changed,
                "same_content": published.same_as is not None,
                "seconds": seconds,
                "held": published.hold is not None,
                PROBLEMS: dg.MetadataValue.json(published.problems),
                **_described(published.publication),
            }
        )

    return asset


def _described(publication: Publication | None) -> dict[str, Any]:
    if publication is None:
        return {}
    return {
        "publication_id": publication.publication_id,
        "mart_sha256": publication.facts["mart_sha256"],
        "report": dg.MetadataValue.path(str(publication.report)),
    }


def _told(published: Published, settings: Settings) -> str:
    if published.hold is not None:
        return published.problems[0]
    if published.publication is None:
        return f"Nothing was landed yet, so nothing is published. Drop a survey export into {settings.home.inbox}."
    if published.same_as:
        return (
            f"Published {published.publication.publication_id}: the same mart as {published.same_as}, with what the "
            "CRMs show by now."
        )
    if published.changed:
        return f"Published {published.publication.publication_id}."
    return (
        f"Nothing new to publish: content, configuration, code and date are those of "
        f"{published.publication.publication_id}."
    )
