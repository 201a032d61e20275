"""Files to read: written into a temporary folder, or real ones beside the checkout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.survey_files import FileMapping, SurveyFile, open_survey_file

Write = Callable[..., Path]
Mapped = Callable[..., list[dict[str, Any]]]

REAL_FILES = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write text or bytes under a name and return the path."""

    def written(content: str | bytes, name: str = "survey.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


@pytest.fixture(scope="session")
def real_file() -> Callable[[str], Path]:
    """The path of a real survey file; the test is skipped where it is not there."""

    def path(name: str) -> Path:
        if not (REAL_FILES / name).is_file():
            pytest.skip(f"{name} is not here")
        return REAL_FILES / name

    return path


@pytest.fixture
def mapping() -> Callable[..., FileMapping]:
    """A mapping for any CSV with the columns id and score; keyword arguments change it, None removes a key."""

    def built(**changes: object) -> FileMapping:
        declared: dict[str, object] = {"name": "shop", "match": "*.csv", "id": "id", "score": "score", "scale": [0, 10]}
        declared |= changes
        return FileMapping.model_validate({key: value for key, value in declared.items() if value is not None})

    return built


@pytest.fixture(scope="session")
def payloads() -> Callable[[SurveyFile], list[dict[str, Any]]]:
    """The payloads of all records of a file."""

    def read(file: SurveyFile) -> list[dict[str, Any]]:
        return [json.loads(record.payload) for page in file.pages() for record in page.records]

    return read


@pytest.fixture
def mapped(
    write: Write, mapping: Callable[..., FileMapping], payloads: Callable[[SurveyFile], list[dict[str, Any]]]
) -> Mapped:
    """The mapped fields of all rows of a file with this text, read with this mapping."""

    def read(content: str | bytes, default_timezone: str = "UTC", **changes: object) -> list[dict[str, Any]]:
        file = open_survey_file(write(content), [mapping(**changes)], default_timezone)
        return [payload["mapped"] for payload in payloads(file)]

    return read
