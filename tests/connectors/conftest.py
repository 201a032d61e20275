"""The running sandbox CRMs and a server with a script, shared by the tests of the connectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from time import monotonic

import pytest

from connectors.base import Session
from connectors.hubspot import CONNECTOR, HubSpotSettings
from sandbox.hubspot.service import ACCESS_TOKEN
from sandbox.serve import Sandbox, start
from tests.connectors import zendesk_accounts
from tests.connectors.conformance_fixtures import one_engine, small_sandbox, source_of, whole_of  # noqa: F401  (fixtures)
from tests.connectors.salesforce_fixtures import control, proxy, salesforce  # noqa: F401  (fixtures)
from tests.connectors.scripted import Reply, Scripted

SEED, TODAY = 7, date(2026, 11, 22)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox in the state of its start, for tests that only read."""
    with start(tmp_path_factory.mktemp("sandbox"), SEED, TODAY, strict=False) as running:
        yield running


@pytest.fixture
def fresh_sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with an empty request log, for tests that count requests or change records; undone afterwards."""
    _reset(sandbox)
    yield sandbox
    _reset(sandbox)


def _reset(sandbox: Sandbox) -> None:
    for crm in sandbox.control.values():
        crm.reset()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits take no time, but the clock moves on by them, with the longest jitter; what they are, in seconds."""
    waited: list[float] = []
    monkeypatch.setattr("connectors.http.sleep", waited.append)
    monkeypatch.setattr("connectors.http.monotonic", lambda: monotonic() + sum(waited))
    monkeypatch.setattr("connectors.http.random", lambda: 1.0)
    return waited


@pytest.fixture
def answering() -> Iterator[Callable[..., Scripted]]:
    """Starts a server that gives these replies; it stops with the test."""
    with ExitStack() as running:
        yield lambda *replies: running.enter_context(Scripted(replies))


@pytest.fixture
def hubspot_login() -> Iterator[Callable[..., Session]]:
    """Logs in to HubSpot at an address, with a token; the sessions are closed after the test."""
    opened: list[Session] = []

    def login(address: str, token: str = ACCESS_TOKEN) -> Session:
        environment = {"HUBSPOT_ACCESS_TOKEN": token, "HUBSPOT_BASE_URL": address}
        opened.append(CONNECTOR.connect(HubSpotSettings(), environment))
        return opened[-1]

    yield login
    for session in opened:
        session.close()


@pytest.fixture
def scripted_zendesk(answering: Callable[..., Scripted]) -> Iterator[zendesk_accounts.Start]:
    """Starts a server that gives these replies and a session with it, which is closed after the test."""
    opened: list[Session] = []

    def start(*replies: Reply) -> tuple[Session, Scripted]:
        server = answering(*replies)
        opened.append(zendesk_accounts.login(server.url))
        return opened[-1], server

    yield start
    for session in opened:
        session.close()
