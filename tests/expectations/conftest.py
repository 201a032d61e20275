from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from expectations.suites import Suite, load_suites, shipped_suites
from tests.expectations import good_mart


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a good mart that no test changes."""
    return good_mart.build(tmp_path_factory.mktemp("good")).parent


@pytest.fixture
def candidate(good: Path, tmp_path: Path) -> Path:
    """A directory with a good mart that a test may break."""
    return shutil.copytree(good, tmp_path / "candidate")


@pytest.fixture(scope="session")
def suites() -> Sequence[Suite]:
    return load_suites(shipped_suites())
