"""Sync back: the scores of the published mart reach the CRMs. What is written and why is in ``plan``."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import groupby
from typing import Any, Literal

import dagster as dg

from connectors.base import Session, Target
from connectors.errors import ConfigError
from expectations.verdict import has_passed
from nps_pipeline import publications
from nps_pipeline.delivery import Delivery, UnreachableError, deliver, look, reason_of, recover, settle_late
from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home
from nps_pipeline.keys import GROUPS, PROBLEMS, PUBLISHED_MART, SYNC_BACK
from nps_pipeline.ledger import Clock, Ledger, open_ledger, read_ledger, utc_now
from nps_pipeline.plan import Op, Place, Plan, Seen, make_plan
from nps_pipeline.progress import tell
from nps_pipeline.publications import Publication
from nps_pipeline.resources import Run
from nps_pipeline.settings import Settings
from nps_pipeline.sync_fields import SyncField

EVERYTHING_WRITTEN = "everything_written"

Connect = Callable[[str], Session | None]


class SyncRefusedError(PipelineError):
    """The published mart must not be synced; the text says why and what to do."""


@dataclass(frozen=True)
class Outlets:
    """Where scores go.

    ``fields`` are kept up to date on the ``targets``; ``connect`` logs in to a destination, and returns None where
    there are no credentials for it.
    """

    fields: Sequence[SyncField]
    targets: Mapping[Place, Target]
    connect: Connect


@dataclass
class DestinationResult:
    """What a sync did at one destination, by number; ``requests`` are write requests, in a plan those it would take.

    ``unknown`` are the writes of which nobody knows whether they were applied, ``skipped`` says why nothing was tried,
    ``problems`` are sentences for the operator.
    """

    destination: str
    decisions: Mapping[str, int] = field(default_factory=dict)
    written: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    unknown: int = 0
    requests: int = 0
    skipped: str | None = None
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SyncResult:
    """What a sync did, or what it would do in the mode ``plan``."""

    publication_id: str
    mode: Literal["plan", "apply"]
    plan: Plan
    destinations: Sequence[DestinationResult]

    @property
    def problems(self) -> list[str]:
        """The sentences of all destinations."""
        return [problem for result in self.destinations for problem in result.problems]


def sync(home: Home, mode: Literal["plan", "apply"], outlets: Outlets, clock: Clock = utc_now) -> SyncResult:
    """Bring the CRMs up to the current publication, or say what that would take.

    Args:
        home: The state directory.
        mode: ``plan`` writes nothing anywhere and connects to nothing.
        outlets: Where scores go.
        clock: Says when something is sent.

    Raises:
        PublicationError: Nothing was published yet.
        SyncRefusedError: The published file is not the one that passed the gate.
        LedgerError: The ledger cannot be used, or a later sync has taken over.
        WarehouseError: The mart cannot be read.
    """
    publication = publications.require_current(home)
    if not has_passed(publication.directory):
        raise SyncRefusedError(
            f"{publication.mart} is not the file that passed the gate, so nothing was written to any CRM. "
            "`nps run` publishes it anew."
        )
    if mode == "plan":
        return _planned(home, publication, outlets)
    with open_ledger(home, clock) as ledger, _Sessions(outlets.connect) as sessions:
        ledger.begin(publication.publication_id)
        return _applied(publication, outlets, ledger, sessions, clock)


def _planned(home: Home, publication: Publication, outlets: Outlets) -> SyncResult:
    with read_ledger(home) as ledger:
        plan = make_plan(publication.mart, ledger.last_writes() if ledger else (), outlets.fields)
        in_doubt = Counter(op.destination for op in ledger.unknown()) if ledger else Counter[str]()
    requests = Counter[str]()
    for (destination, _), number in plan.requests(outlets.targets).items():
        requests[destination] += number
    results = [
        DestinationResult(name, _decisions(plan, name), unknown=in_doubt[name], requests=requests[name])
        for name in sorted({*_destinations(outlets), *in_doubt})
    ]
    return SyncResult(publication.publication_id, "plan", plan, results)


class _Sessions(ExitStack):
    """The sessions of one sync: each is opened when it is needed first, all are closed together."""

    def __init__(self, connect: Connect) -> None:
        super().__init__()
        self._connect = connect
        self._open: dict[str, Session] = {}

    def to(self, destination: str) -> Session:
        """The session with a destination.

        Raises:
            NoCredentialsError: The environment has none for it.
            UnreachableError: Logging in failed.
        """
        if destination not in self._open:
            try:
                session = self._connect(destination)
            except Exception as error:
                raise UnreachableError(reason_of(error)) from error
            if session is None:
                raise _NoCredentialsError("There are no credentials for it.")
            self.callback(session.close)
            self._open[destination] = session
        return self._open[destination]


class _NoCredentialsError(UnreachableError):
    """Nobody meant this destination to be reached."""


def _applied(
    publication: Publication, outlets: Outlets, ledger: Ledger, sessions: _Sessions, clock: Clock
) -> SyncResult:
    """Recover, plan, look, note the plan, deliver; the failure of one destination stops no other."""
    results = {name: DestinationResult(name) for name in _destinations(outlets)}
    seen = _recovered(outlets, ledger, sessions, results, clock)
    plan = make_plan(publication.mart, ledger.last_writes(), outlets.fields, seen)
    work = _work(plan)
    ready, changed = [], list[Seen]()
    for name, result in results.items():
        found = _looked(result, work.get(name, []), outlets, sessions, clock)
        if found is not None:
            ready.append(name)
            changed += found
    if changed:  # since the pull behind the mart: the policies decide on what stands there now
        settle_late(ledger, changed)
        plan = make_plan(publication.mart, ledger.last_writes(), outlets.fields, _latest([*seen, *changed]))
        work = _work(plan)
    ledger.record_plan(
        publication.publication_id,
        ready,
        [op for name in ready for op in work.get(name, [])],
        [decision for decision in plan.decisions if decision.destination in ready],
    )
    for name in ready:
        results[name].decisions = _decisions(plan, name)
        if name in work:
            _count(results[name], deliver(ledger, sessions.to(name), outlets.targets, work[name]))
    return SyncResult(publication.publication_id, "apply", plan, list(results.values()))


def _recovered(
    outlets: Outlets, ledger: Ledger, sessions: _Sessions, results: dict[str, DestinationResult], clock: Clock
) -> list[Seen]:
    """Read back whatever is in doubt; a destination of which that fails has a problem from then on."""
    ledger.doubt_all_sending()
    seen: list[Seen] = []
    for name, ops in groupby(ledger.unknown(), key=lambda op: op.destination):
        result = results.setdefault(name, DestinationResult(name))
        try:
            seen += recover(ledger, sessions.to(name), outlets.targets, list(ops), clock)
        except UnreachableError as error:
            result.unknown = sum(op.destination == name for op in ledger.unknown())
            result.problems.append(
                f"{name}: {_writes(result.unknown)} of an earlier sync may or may not have been applied and could not "
                f"be read back, so nothing was written there; the next sync tries again. {error}"
            )
    return seen


def _work(plan: Plan) -> dict[str, list[Op]]:
    return {name: list(ops) for name, ops in groupby(plan.ops, key=lambda op: op.destination)}


def _latest(seen: Iterable[Seen]) -> list[Seen]:
    """What was read last of each field."""
    return list({(one.destination, one.object, one.record_id, one.field): one for one in seen}.values())


def _looked(
    result: DestinationResult, ops: Sequence[Op], outlets: Outlets, sessions: _Sessions, clock: Clock
) -> list[Seen] | None:
    """What changed in the records that are to be written since the plan's pull.

    None where the plan for the destination cannot be carried out; the result says why.
    """
    if result.problems:
        return None
    if not ops:
        return []
    unsent = f"{_writes(len(ops))} to {result.destination} planned and not sent."
    try:
        return look(sessions.to(result.destination), outlets.targets, ops, clock)
    except _NoCredentialsError as error:
        result.skipped = f"{unsent} {error}"
    except UnreachableError as error:
        result.problems.append(f"{unsent} {error}")
    return None


def _count(result: DestinationResult, delivery: Delivery) -> None:
    """Take the numbers of a delivery into a result, and what an operator must know of them as sentences."""
    name = result.destination
    result.written, result.rejected = delivery.written, dict(delivery.rejected)
    result.unknown, result.requests = delivery.unknown, delivery.requests
    if delivery.rejected:
        codes = ", ".join(f"{number} x {code}" for code, number in sorted(delivery.rejected.items()))
        result.problems.append(
            f"{name} refused {_writes(delivery.rejected.total())} ({codes}); `nps status` names the records. Mend them "
            f"there; each sync tries again."
        )
    if delivery.unknown:
        result.problems.append(
            f"{name}: {_writes(delivery.unknown)} may or may not have been applied; the next sync reads them back "
            f"before it writes anything there. {delivery.stopped}"
        )
    if delivery.unsent:
        result.problems.append(
            f"{name}: {_writes(delivery.unsent)} planned and not sent; the next sync sends what is still wanted. "
            f"{delivery.stopped}"
        )


def _writes(number: int) -> str:
    return "1 write" if number == 1 else f"{number:,} writes"


def _destinations(outlets: Outlets) -> list[str]:
    return sorted({one.destination for one in outlets.fields})


def _decisions(plan: Plan, destination: str) -> dict[str, int]:
    return dict(Counter(one.decision for one in plan.decisions if one.destination == destination))


class SyncMode(Enum):
    """What a launch does about sync-back: what nps.yaml says, or something else this once."""

    configured = "configured"
    plan = "plan"
    apply = "apply"
    off = "off"


class SyncConfig(dg.Config):
    """What a person may say when launching the step."""

    mode: SyncMode = SyncMode.configured


def sync_asset() -> dg.AssetsDefinition:
    """The step that brings the CRMs up to the published mart; what fails is told in its metadata and stops nothing."""

    @dg.asset(
        key=SYNC_BACK,
        deps=[PUBLISHED_MART],
        group_name=GROUPS["sync"],
        kinds={"python", "sqlite"},
        description="Scores, categories and dates of the published mart on the records of the CRMs. Writes only in the "
        "mode apply; each write is in ledger.sqlite before it is sent.",
        check_specs=[
            dg.AssetCheckSpec(
                EVERYTHING_WRITTEN, asset=SYNC_BACK, description="Every write that was due was confirmed by its CRM."
            )
        ],
    )
    def asset(context: dg.AssetExecutionContext, config: SyncConfig, run: Run) -> dg.MaterializeResult:  # type: ignore[type-arg]
        started = time.monotonic()
        settings = run.settings
        mode = settings.sync_mode if config.mode is SyncMode.configured else config.mode.value
        facts, sentences, problems = _run(settings, mode)
        for sentence in [*sentences, *problems]:
            tell(context, sentence)
        return dg.MaterializeResult(
            metadata={
                "mode": mode,
                **facts,
                "seconds": round(time.monotonic() - started, 3),
                PROBLEMS: dg.MetadataValue.json(problems),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=EVERYTHING_WRITTEN,
                    passed=not problems,
                    severity=dg.AssetCheckSeverity.WARN,
                    description="\n".join(problems) or None,
                )
            ],
        )

    return asset


def _run(settings: Settings, mode: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """Sync as this run is to; returns facts for the metadata, sentences, and problems among them."""
    if mode == "off":
        return {}, ["Nothing was synced: sync is off for this run."], []
    if not settings.sync_fields():
        return {"skipped": "nps.yaml names no field to write"}, [], []
    if publications.current(settings.home) is None:
        return {}, ["Nothing is published yet, so nothing is synced."], []
    outlets = Outlets(settings.sync_fields(), settings.targets(), partial(_connect, settings))
    try:
        result = sync(settings.home, "apply" if mode == "apply" else "plan", outlets)
    except PipelineError as error:
        return {}, [], [str(error)]
    return _facts(result), [_told(result.mode, one) for one in result.destinations], result.problems


def _connect(settings: Settings, destination: str) -> Session | None:
    if destination not in settings.crms():
        raise ConfigError("nps.yaml does not name it under sources any more; name it again.")
    return settings.connect(destination)


def _facts(result: SyncResult) -> dict[str, Any]:
    return {
        "publication_id": result.publication_id,
        "written": sum(one.written for one in result.destinations),
        "rejected": sum(sum(one.rejected.values()) for one in result.destinations),
        "unknown": sum(one.unknown for one in result.destinations),
        "requests": sum(one.requests for one in result.destinations),
        "decisions": dg.MetadataValue.json({one.destination: dict(one.decisions) for one in result.destinations}),
    }


def _told(mode: str, result: DestinationResult) -> str:
    decided = (
        ", ".join(f"{number:,} {kind}" for kind, number in sorted(result.decisions.items())) or "nothing to decide"
    )
    name, requests = result.destination, f"{result.requests:,} request{'' if result.requests == 1 else 's'}"
    if result.skipped:
        return result.skipped
    if mode == "plan":
        return f"{name}: planned only, {requests} would be needed; fields: {decided}."
    return f"{name}: {result.written:,} records written in {requests}; fields: {decided}."
