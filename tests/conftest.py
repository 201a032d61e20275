from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.noted import Noted

OURS = ("NPS_", "DAGSTER_", "DBT_", "SALESFORCE_", "HUBSPOT_", "ZENDESK_")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=20, help="how many publishers are killed while a reader reads")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "wrong_requests: sends a sandbox what no specification allows, on purpose")


@pytest.fixture(scope="session", autouse=True)
def noted() -> Iterator[Noted]:
    handler, logger = Noted(), logging.getLogger("sandbox.specifications")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def every_request_is_valid(request: pytest.FixtureRequest, noted: Noted) -> Iterator[None]:
    """Whatever a test lets be sent to a sandbox keeps to what the vendors publish, unless it says that it does not."""
    yield
    sentences, noted.sentences = noted.sentences, []
    if request.node.get_closest_marker("wrong_requests") is None:
        assert sentences == []


@pytest.fixture(autouse=True)
def environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees or leaves a setting of the pipeline in the environment."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        os.environ.pop(name)
    os.environ.update(before)


@pytest.fixture(scope="session")
def real_file() -> object:
    """Gives the path of a real survey file, or skips the test where it is not here."""

    def find(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"the real survey file {name} is not here")
        return path

    return find
