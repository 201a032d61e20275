"""The reasons why a row is set aside are a closed list, and each of them is seen to be given."""

from __future__ import annotations

from pathlib import Path

import pytest

from nps_pipeline import project

QUARANTINED = [reason for reason, known in project.reasons().items() if known["class"] == "quarantined"]


@pytest.mark.parametrize("reason", QUARANTINED)
def test_each_reason_of_the_quarantine_is_expected_by_a_unit_test(reason: str) -> None:
    expected = [text for path in unit_tests() for text in path.read_text(encoding="utf-8").split("expect:")[1:]]
    assert any(reason in text for text in expected)


@pytest.mark.parametrize("table", ["quarantined_responses", "excluded_responses"])
def test_no_other_reason_can_be_published(table: str) -> None:
    contract = project.DBT_PROJECT / "models" / "marts" / f"{table}.yml"
    assert "relationships: {arguments: {to: ref('reasons'), field: reason}}" in contract.read_text(encoding="utf-8")


def unit_tests() -> list[Path]:
    return sorted((project.DBT_PROJECT / "models").rglob("unit_tests*.yml"))
