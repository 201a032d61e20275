"""The reasons why a row is set aside are a closed list, and each of them is seen to be given."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from nps_pipeline import project

QUARANTINED = [reason for reason, known in project.reasons().items() if known["class"] == "quarantined"]
EXCLUDED = [reason for reason, known in project.reasons().items() if known["class"] == "excluded"]
SURVEY_FILES = Path(__file__).parents[1] / "connectors" / "survey_files"


@pytest.mark.parametrize("reason", QUARANTINED)
def test_each_reason_of_the_quarantine_is_expected_by_a_unit_test(reason: str) -> None:
    assert is_named(reason, expected())


@pytest.mark.parametrize("reason", EXCLUDED)
def test_each_reason_of_an_exclusion_is_expected_by_a_test(reason: str) -> None:
    of_files = [path.read_text(encoding="utf-8") for path in SURVEY_FILES.glob("test_*.py")]
    assert is_named(reason, expected()) or is_named(f'"{reason}"', of_files)


@pytest.mark.parametrize("table", ["quarantined_responses", "excluded_responses"])
def test_no_other_reason_can_be_published(table: str) -> None:
    contract = project.DBT_PROJECT / "models" / "marts" / f"{table}.yml"
    assert "relationships: {arguments: {to: ref('reasons'), field: reason}}" in contract.read_text(encoding="utf-8")


def expected() -> list[str]:
    """What the unit tests of the models expect."""
    paths = sorted((project.DBT_PROJECT / "models").rglob("unit_tests*.yml"))
    return [text for path in paths for text in path.read_text(encoding="utf-8").split("expect:")[1:]]


def is_named(word: str, texts: Iterable[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for text in texts)
