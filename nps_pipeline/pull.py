"""Pull: what the sources serve becomes loads; each source by itself, so that one that fails stops no other."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from connectors.base import Cursor, Mode, Session, Stream
from connectors.config import ways_to_log_in
from connectors.errors import ConnectorError, ExpiredCursorError, RetryableError
from connectors.registry import discover
from connectors.values import latest_moment
from nps_pipeline import __version__, inbox, landing
from nps_pipeline.declaration import asked_for
from nps_pipeline.keys import GROUPS, LANDED_FILES, PROBLEMS, landed, landing_step
from nps_pipeline.landing import LandingResult, Load, LoadRequest
from nps_pipeline.manifest import LISTINGS
from nps_pipeline.progress import tell
from nps_pipeline.resources import Run
from nps_pipeline.settings import Settings

FILES_READABLE = "files_readable"
PULLED = "pulled"


@dataclass(frozen=True)
class StreamOutcome:
    """What became of one stream: what was landed and what it cost, or why nothing was.

    ``problem`` is a sentence for the operator, also where something was landed before it; ``skipped`` says why nothing
    was to be done. Both None: it was pulled.
    """

    result: LandingResult | None = None
    mode: str = ""
    seconds: float = 0.0
    problem: str | None = None
    skipped: str | None = None

    @property
    def rows(self) -> int:
        """How many rows were landed."""
        return self.result.rows if self.result else 0


def declared_streams(settings: Settings) -> list[Stream]:
    """Every stream whose loads belong to the mart: all landed survey files and what nps.yaml pulls from the CRMs."""
    crm_streams = (stream for source in settings.crms() for stream in settings.crm_streams(source))
    return [*inbox.landed_streams(settings.home), *crm_streams]


def pull_crm(
    settings: Settings, source: str, names: Sequence[str], *, reconcile: bool = False
) -> Iterator[tuple[str, StreamOutcome]]:
    """Pull some streams of a CRM, each into a load of its own.

    Args:
        settings: The configuration and the credentials.
        source: The CRM.
        names: The streams, in this order.
        reconcile: Whether everything is pulled again, also where that is not due.

    Yields:
        Each stream's name with what became of it; a failed one keeps what was landed before.
    """
    declared = {stream.name: stream for stream in settings.crm_streams(source)}
    try:
        session = settings.connect(source)
    except ConnectorError as error:
        yield from ((name, StreamOutcome(problem=f"{error} Its last landed data stays.")) for name in names)
        return
    if session is None:
        yield from ((name, _without_credentials(settings, source)) for name in names)
        return
    unavailable = None
    with closing(session):
        for name in names:
            if unavailable is None:
                outcome, unavailable = _pull_stream(settings, session, declared[name], reconcile=reconcile)
            else:
                outcome = StreamOutcome(problem=_not_pulled(source, name, f"{unavailable} It was not tried again."))
            yield name, outcome


def _without_credentials(settings: Settings, source: str) -> StreamOutcome:
    connector = discover()[source]
    ways = ways_to_log_in(connector)
    sentence = f"{connector.title} was skipped: there are no credentials for it. Set {ways}."
    return StreamOutcome(problem=sentence) if settings.crm(source).required else StreamOutcome(skipped=sentence)


def _not_pulled(source: str, name: str, reason: object, rows: int = 0) -> str:
    kept = f"What was pulled before that, {rows:,} rows, is kept: the next run goes on from there."
    stays = kept if rows else "Its last landed data stays."
    return f"{source}/{name} could not be pulled. {reason} {stays}"


def _pull_stream(
    settings: Settings, session: Session, stream: Stream, *, reconcile: bool
) -> tuple[StreamOutcome, RetryableError | None]:
    """Pull from where the last load ended, or everything: at first, in time, and where other fields are asked for.

    Returns:
        What became of it; and the error where the whole source is unavailable, so that no other stream need wait too.
        A source that answers a check is not: one stream that fails in every run must not keep the others away.
    """
    parts, started = list[tuple[Mode, LandingResult]](), time.monotonic()
    error: ConnectorError | None = None
    try:
        for part in _pulled(settings, session, stream, reconcile=reconcile):  # what comes before an error stays
            parts.append(part)
    except ConnectorError as raised:
        error = raised
    result = landing.total(result for _, result in parts)
    outcome = StreamOutcome(
        result if result.loads or not error else None,
        mode=parts[-1][0] if parts else "",
        seconds=time.monotonic() - started,
        problem=_not_pulled(stream.source, stream.name, error, result.rows) if error else None,
    )
    return outcome, error if isinstance(error, RetryableError) and not _answers(session) else None


def _pulled(
    settings: Settings, session: Session, stream: Stream, *, reconcile: bool
) -> Iterator[tuple[Mode, LandingResult]]:
    """Each part of a pull with its mode: everything, or what changed and then everything again where that is due.

    Changes come first also then: a reconcile that never gets through, say because the requests of a day are not enough
    for it, must not keep the stream from them. A pull that was interrupted is brought to its end before one is due.
    """
    asked = asked_for(stream)
    loads = landing.list_loads(settings.home, stream.source, stream.name)
    last = loads[-1].manifest if loads and loads[-1].manifest.mapping_hash == asked else None
    if last is None or not last.cursor_after:
        yield from _landed(settings, session, stream, "full", {})
        return
    every = settings.crm(stream.source).reconcile_every
    is_due = reconcile or (not stream.append_only and last.is_drained and _is_due(loads, asked, every))
    try:
        yield from _landed(settings, session, stream, "incremental", last.cursor_after)
    except ExpiredCursorError:
        is_due = True
    if is_due:
        until = latest_moment(last.cursor_after) if last.is_drained else None
        yield from _landed(settings, session, stream, "reconcile", {}, pulled_until=until)


def _is_due(loads: Sequence[Load], asked: str, every: timedelta) -> bool:
    """Whether the last listing of what is asked for is too old, or did not list what the source itself counted."""
    listings = [one for one in (load.manifest for load in loads) if one.mode in LISTINGS and one.mapping_hash == asked]
    if not listings:
        return True
    last = listings[-1]
    differs = last.source_count is not None and last.source_count != last.live_records
    return differs or datetime.now(UTC) - datetime.fromisoformat(last.finished_at) >= every


def _landed(
    settings: Settings,
    session: Session,
    stream: Stream,
    mode: Mode,
    since: Cursor,
    *,
    pulled_until: datetime | None = None,
) -> Iterator[tuple[Mode, LandingResult]]:
    """Pull and land. For a reconcile the source counts before and after; no count where that changed."""
    counted = session.count(stream) if mode == "reconcile" else None
    request = LoadRequest(
        source=stream.source,
        stream=stream.name,
        mode=mode,
        connector_version=__version__,
        mapping_hash=asked_for(stream),
        source_count=lambda: counted if counted is not None and session.count(stream) == counted else None,
        pulled_until=pulled_until,
        gone=partial(session.gone, stream),
    )
    pages = session.pull(stream, since, settings.crm(stream.source).look_back)
    for part in landing.land_in_parts(settings.home, request, pages):
        yield mode, part


def _answers(session: Session) -> bool:
    """Whether a source is there; what else may be wrong with it, each stream finds out and says."""
    try:
        session.check()
    except ConnectorError as error:
        return not isinstance(error, RetryableError)
    return True


@dg.asset(
    key=LANDED_FILES,
    group_name=GROUPS["landing"],
    kinds={"python", "parquet"},
    description="Survey files: whatever waits in the inbox is landed and archived, or refused with its reason.",
    check_specs=[
        dg.AssetCheckSpec(
            FILES_READABLE,
            asset=LANDED_FILES,
            description="Every file that waited in the inbox could be read and mapped.",
        )
    ],
)
def landed_files(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Pull the survey files; a refused one degrades the run and stops nothing."""
    started = time.monotonic()
    outcomes = inbox.pull_files(run.settings)
    for outcome in outcomes:
        tell(context, f"{outcome.name}: {inbox.told(outcome)}")
    problems = [f"A file was refused. {outcome.refused}" for outcome in outcomes if outcome.refused]
    return dg.MaterializeResult(
        metadata={
            "files": len(outcomes),
            "rows": sum(outcome.rows for outcome in outcomes),
            "reread_rows": sum(outcome.reread_rows for outcome in outcomes),
            "refused": len(problems),
            "seconds": round(time.monotonic() - started, 3),
            "notes": dg.MetadataValue.md("\n".join(f"- {outcome.name}: {inbox.told(outcome)}" for outcome in outcomes)),
            PROBLEMS: dg.MetadataValue.json(problems),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=FILES_READABLE,
                passed=not problems,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"refused": len(problems)},
            )
        ],
    )


class PullConfig(dg.Config):
    """What a person may say when launching the pull of a CRM."""

    reconcile: bool = False


def landed_crm(settings: Settings, source: str) -> dg.AssetsDefinition:
    """The streams of one CRM as assets, pulled in one session.

    Args:
        settings: As they are when the definitions are loaded; the run reads them anew.
        source: The CRM.
    """
    required, title = settings.crm(source).required, discover()[source].title
    keys = {stream.name: landed(source, stream.name) for stream in _answers_first(settings.crm_streams(source))}

    @dg.multi_asset(
        name=landing_step(source),
        can_subset=True,
        specs=[
            dg.AssetSpec(
                key,
                group_name=GROUPS["landing"],
                kinds={"python", "parquet", source},
                skippable=False,
                description=f"{name} of {title}: what changed since the last pull.",
            )
            for name, key in keys.items()
        ],
        check_specs=[
            dg.AssetCheckSpec(
                PULLED, asset=key, blocking=required, description=f"{name} could be pulled from {title} to its end."
            )
            for name, key in keys.items()
        ],
    )
    def pulled(context: dg.AssetExecutionContext, config: PullConfig, run: Run) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        wanted = [name for name, key in keys.items() if key in context.selected_asset_keys]
        said = set[str]()
        for name, outcome in pull_crm(run.settings, source, wanted, reconcile=config.reconcile):
            sentence = told(source, name, outcome)
            if sentence not in said:  # a whole source that cannot be reached is said once
                tell(context, sentence)
                said.add(sentence)
            yield _materialized(keys[name], outcome, required=required)

    return pulled


def _answers_first(streams: Sequence[Stream]) -> list[Stream]:
    """Responses before what they point to: what they point to then is there when it is pulled."""
    return sorted(streams, key=lambda stream: stream.role != "response")


def told(source: str, name: str, outcome: StreamOutcome) -> str:
    """What became of a stream, as a sentence."""
    if outcome.problem or outcome.skipped or outcome.result is None:
        return outcome.problem or outcome.skipped or ""
    result = outcome.result
    reread = f", {result.reread_rows:,} landed before" if result.reread_rows else ""
    budget = result.budget
    left = f"; {budget.remaining:,} of {budget.limit:,} left per {budget.per}" if budget else ""
    found = _found(result)
    return f"{source}/{name}: {outcome.rows:,} rows ({outcome.mode}){reread}{found}, {result.requests} requests{left}."


def _found(result: LandingResult) -> str:
    """What a reconcile found that pulls of changes had not."""
    manifest = result.load.manifest if result.load else None
    if manifest is None or not (manifest.late_rows or manifest.unlisted_rows):
        return ""
    return f"; found {manifest.late_rows or 0:,} changes and {manifest.unlisted_rows or 0:,} deletes that were missed"


def _listed(result: LandingResult) -> dict[str, int]:
    """What a pull of everything listed and found."""
    manifest = result.load.manifest if result.load else None
    names = ("live_records", "source_count", "late_rows", "unlisted_rows")
    numbers = {name: getattr(manifest, name, None) for name in names}
    return {name: number for name, number in numbers.items() if number is not None}


def _materialized(key: dg.AssetKey, outcome: StreamOutcome, *, required: bool) -> dg.MaterializeResult:  # type: ignore[type-arg]
    metadata: dict[str, Any] = {
        "rows": outcome.rows,
        "seconds": round(outcome.seconds, 3),
        PROBLEMS: dg.MetadataValue.json([outcome.problem] if outcome.problem else []),
    }
    if outcome.skipped:
        metadata["skipped"] = outcome.skipped
    if result := outcome.result:
        metadata |= {
            "mode": outcome.mode,
            "reread_rows": result.reread_rows,
            "deleted_rows": result.deleted_rows,
            "requests": result.requests,
            "bytes": result.bytes,
            **_listed(result),
            **{f"api_budget_{name}": value for name, value in (asdict(result.budget) if result.budget else {}).items()},
        }
    return dg.MaterializeResult(
        asset_key=key,
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                asset_key=key,
                check_name=PULLED,
                passed=outcome.problem is None,
                severity=dg.AssetCheckSeverity.ERROR if required else dg.AssetCheckSeverity.WARN,
                description=outcome.problem,
            )
        ],
    )
