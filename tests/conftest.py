from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

OURS = ("NPS_", "DAGSTER_", "DBT_", "SALESFORCE_", "HUBSPOT_", "ZENDESK_")
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=20, help="how many publishers are killed while a reader reads")


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
