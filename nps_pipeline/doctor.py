"""Doctor: every configuration problem at once, each with its remedy. It changes nothing, here or in a CRM."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from connectors.config import ways_to_log_in
from connectors.errors import ConnectorError
from connectors.registry import discover
from expectations.suites import SuiteError, load_suites
from nps_pipeline import home, landing, project, publications, warehouse
from nps_pipeline.hold import HoldError, read_hold
from nps_pipeline.ledger import read_ledger
from nps_pipeline.ledger_file import LedgerError
from nps_pipeline.manifest import LandingError
from nps_pipeline.settings import Settings, SettingsError, load_settings


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``problem`` is None when it is well."""

    subject: str
    detail: str
    problem: str | None = None


def examine() -> list[Finding]:
    """Look at everything a run needs."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return [Finding("settings", "nps.yaml and environment", problem) for problem in error.problems]
    findings = [Finding("settings", f"{settings.config_path} and the environment are valid")]
    return findings + [finding for look in _LOOKS for finding in look(settings)]


def _home(settings: Settings) -> Iterator[Finding]:
    root = settings.home.root
    existing = next(path for path in (root, *root.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        problem = f"{existing} is no writable directory; change its permissions or set NPS_HOME to another one."
        yield Finding("home", str(root), problem)
        return
    try:
        if root.exists():
            with home.lock(settings.home, "run", "nps doctor"):
                pass
        yield Finding("home", f"{root} is writable and no run is using it")
    except home.HomeLockedError as error:
        yield Finding("home", f"{root} is writable. {error}")


def _landing(settings: Settings) -> Iterator[Finding]:
    try:
        loads = landing.list_loads(settings.home)
    except LandingError as error:
        yield Finding("landing", str(settings.home.landing), str(error))
        return
    yield Finding("landing", f"{len(loads)} loads, {sum(load.manifest.rows for load in loads)} rows")


def _inbox(settings: Settings) -> Iterator[Finding]:
    inbox = settings.home.inbox
    waiting = [path.name for path in sorted(inbox.glob("[!.]*"))] if inbox.exists() else []
    yield Finding("inbox", f"{inbox}: {len(waiting)} files wait for the next run")


def _publication(settings: Settings) -> Iterator[Finding]:
    try:
        publication, hold = publications.current(settings.home), read_hold(settings.home)
    except (publications.PublicationError, HoldError) as error:
        yield Finding("publication", str(settings.home.publish), str(error))
        return
    name = publication.publication_id if publication else None
    said = name or "none yet; `nps run` makes the first"
    yield Finding("publication", f"{said}. {hold.sentence(name)}" if hold else said)


def _crms(settings: Settings) -> Iterator[Finding]:
    for source in settings.crms():
        yield _crm(settings, source)


def _crm(settings: Settings, source: str) -> Finding:
    connector = discover()[source]
    try:
        session = settings.connect(source)
        if session is None:
            sentence = f"no credentials, so runs skip it; to pull from it set {ways_to_log_in(connector)}."
            required = settings.crm(source).required
            return Finding(source, sentence, f"{connector.title} is required: {sentence}" if required else None)
        with closing(session):
            session.check()
    except ConnectorError as error:
        return Finding(source, connector.title, str(error))
    return Finding(source, f"{connector.title} accepts the credentials")


def _ledger(settings: Settings) -> Iterator[Finding]:
    try:
        with read_ledger(settings.home) as ledger:
            in_doubt = len(ledger.unknown()) if ledger else 0
            noted = sum(sum(one.states.values()) for one in ledger.status()) if ledger else 0
    except LedgerError as error:
        yield Finding("ledger", str(settings.home.ledger), str(error))
        return
    yield Finding("ledger", f"{noted} writes in the last syncs; {in_doubt} in doubt, which the next sync reads back")


def _suites(settings: Settings) -> Iterator[Finding]:
    try:
        suites = load_suites(settings.suite_files(), warehouse.CONTRACT_TABLES)
    except SuiteError as error:
        yield Finding("suites", "the rules of the gate", str(error))
        return
    checks = sum(len(suite.expectations) for suite in suites)
    yield Finding("suites", f"{checks} expectations in {', '.join(suite.name for suite in suites)}")


def _dbt(_: Settings) -> Iterator[Finding]:
    try:
        project.prepare_manifest()
    except project.ProjectError as error:
        yield Finding("dbt project", str(project.DBT_PROJECT), str(error))
        return
    yield Finding("dbt project", f"{project.DBT_PROJECT} parses")


_LOOKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _home,
    _landing,
    _inbox,
    _crms,
    _ledger,
    _publication,
    _suites,
    _dbt,
)
