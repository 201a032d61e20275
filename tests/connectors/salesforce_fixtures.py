"""Fixtures of the tests of Salesforce: the sandbox behind a proxy with faults, a session there, what only tests can do.

``conftest.py`` hands them to every test of this folder.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.salesforce import SalesforceSession
from sandbox.salesforce.hooks import SalesforceControl
from sandbox.serve import Sandbox
from tests.connectors.salesforce_access import Proxy, proxied, session_of


@pytest.fixture
def control(fresh_sandbox: Sandbox) -> SalesforceControl:
    """What a test can do to the organisation that the API cannot."""
    return SalesforceControl.of(fresh_sandbox.control["salesforce"])


@pytest.fixture
def proxy(fresh_sandbox: Sandbox, waits: list[float]) -> Iterator[Proxy]:  # noqa: ARG001
    """A proxy before the sandbox; nobody waits before asking again."""
    with proxied(fresh_sandbox) as proxy:
        yield proxy


@pytest.fixture
def salesforce(proxy: Proxy) -> Iterator[SalesforceSession]:
    """A session by way of the proxy."""
    session = session_of(proxy)
    yield session
    session.close()
