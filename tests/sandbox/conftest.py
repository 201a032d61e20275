"""The running sandbox and the real clients of the three CRMs, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import hubspot
import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from zenpy import Zenpy

from sandbox.serve import Sandbox, start
from tests.noted import Noted

SEED, TODAY = 7, date(2026, 11, 22)


class ToLoopback(HTTPAdapter):
    """Sends calls for *.salesforce.com to the sandbox and trusts its authority, whatever the environment says."""

    def __init__(self, url: str, authority: str) -> None:
        super().__init__()
        self._url = urlsplit(url)
        self._authority = authority

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        given = urlsplit(str(request.url))
        if str(given.hostname).endswith(".salesforce.com"):
            request.url = given._replace(scheme=self._url.scheme, netloc=self._url.netloc).geturl()
        return super().send(request, *args, **(kwargs | {"verify": self._authority}))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with start(tmp_path_factory.mktemp("sandbox"), SEED, TODAY, strict=False) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def trusting() -> Callable[[str, str], requests.Session]:
    """Makes a session that reaches one Salesforce sandbox by its address and its authority."""

    def session(url: str, authority: str) -> requests.Session:
        made = requests.Session()
        made.mount("https://", ToLoopback(url, authority))
        return made

    return session


@pytest.fixture(scope="session")
def to_salesforce(running: Sandbox, trusting: Callable[[str, str], requests.Session]) -> requests.Session:
    return trusting(running.urls["salesforce"], running.environment["SALESFORCE_CA_BUNDLE"])


@pytest.fixture(autouse=True)
def every_request_is_valid(noted: Noted) -> Iterator[None]:
    """Not asked for in this folder: no connector sends its requests, tests do, and wrong ones on purpose."""
    yield
    noted.sentences.clear()


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """The sandbox in the state of its start."""
    for control in running.control.values():
        control.reset()
    return running


@pytest.fixture
def salesforce(sandbox: Sandbox, to_salesforce: requests.Session) -> Any:
    way = sandbox.logins["salesforce"]["session"]
    return Salesforce(
        session_id=way["SALESFORCE_SESSION_ID"], instance_url=way["SALESFORCE_INSTANCE_URL"], session=to_salesforce
    )


@pytest.fixture
def hubspot_client(sandbox: Sandbox) -> Any:
    environment = sandbox.environment
    return hubspot.HubSpot(
        access_token=environment["HUBSPOT_ACCESS_TOKEN"],
        host=environment["HUBSPOT_BASE_URL"],
        base_url=environment["HUBSPOT_BASE_URL"],
    )


@pytest.fixture
def zendesk_login(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a Zendesk client with the given credentials."""
    monkeypatch.setenv("ZENPY_FORCE_NETLOC", urlsplit(sandbox.urls["zendesk"]).netloc)
    monkeypatch.setenv("ZENPY_FORCE_SCHEME", "http")
    return lambda **credentials: Zenpy(subdomain="sandbox", disable_cache=True, **credentials)


@pytest.fixture
def zendesk(sandbox: Sandbox, zendesk_login: Callable[..., Any]) -> Any:
    environment = sandbox.environment
    return zendesk_login(email=environment["ZENDESK_EMAIL"], token=environment["ZENDESK_TOKEN"])
