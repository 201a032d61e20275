"""The one spelling of a value: equal values compare equal, whichever way a CRM writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from connectors.base import Kind
from connectors.values import field_text, latest_moment, moment_text, parse_moment


@pytest.mark.parametrize(
    ("kind", "raw", "text"),
    [
        ("number", 9, "9"),
        ("number", 9.0, "9"),
        ("number", "9", "9"),
        ("number", " 9.00 ", "9"),
        ("number", 0, "0"),
        ("number", 10, "10"),
        ("number", "1E+2", "100"),
        ("number", 7.5, "7.5"),
        ("text", "promoter", "promoter"),
        ("text", " Promoter ", "Promoter"),
        ("text", 0, "0"),
        ("date", "2026-03-01", "2026-03-01"),
        ("date", "2026-03-01T00:00:00+00:00", "2026-03-01"),
        ("datetime", "2026-03-01T09:30:00Z", "2026-03-01T09:30:00Z"),
        ("datetime", "2026-03-01T09:30:00.987Z", "2026-03-01T09:30:00Z"),
        ("datetime", "2026-03-01T09:30:00.000+0000", "2026-03-01T09:30:00Z"),
        ("datetime", "2026-03-01T10:30:00+01:00", "2026-03-01T09:30:00Z"),
        ("datetime", "2026-03-01T09:30:00", "2026-03-01T09:30:00Z"),
    ],
)
def test_one_spelling_per_value(kind: Kind, raw: Any, text: str) -> None:
    assert field_text(kind, raw) == text
    assert field_text(kind, text) == text


@pytest.mark.parametrize("kind", ["number", "text", "date", "datetime"])
@pytest.mark.parametrize("raw", [None, "", "  "])
def test_an_empty_field_is_none(kind: Kind, raw: Any) -> None:
    assert field_text(kind, raw) is None


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("number", "nine"),
        ("number", "9 of 10"),
        ("date", "01/03/2026"),
        ("date", "1767225600000"),
        ("datetime", "yesterday"),
        ("datetime", "0001-01-01T00:00:00+10:00"),
    ],
)
def test_what_does_not_fit_its_kind_stays_and_so_differs_from_all_else(kind: Kind, raw: str) -> None:
    assert field_text(kind, raw) == raw


def test_a_moment_that_utc_does_not_have_is_none() -> None:
    with pytest.raises(ValueError, match="outside the years"):
        parse_moment("0001-01-01T00:00:00+05:00")


def test_moments_are_read_into_utc() -> None:
    assert parse_moment("2026-03-01T10:30:00.250+01:00") == datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC)
    assert parse_moment("2026-03-01T10:30:00").tzinfo is UTC
    with pytest.raises(ValueError, match="soon"):
        parse_moment("soon")


def test_moments_are_written_in_whole_seconds_of_utc() -> None:
    moment = datetime(2026, 3, 1, 10, 30, 0, 999_000, tzinfo=timezone(timedelta(hours=1)))
    assert moment_text(moment) == "2026-03-01T09:30:00Z"


@pytest.mark.parametrize(
    ("cursor", "latest"),
    [
        ({}, None),
        ({"modified": "2026-03-01T09:30:00Z"}, datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ({"walked": "@151000000001"}, None),
        ({"time": 1_772_357_400}, datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ({"a": "2026-03-01T09:30:00Z", "b": "2026-03-01T11:00:00+01:00"}, datetime(2026, 3, 1, 10, tzinfo=UTC)),
    ],
)
def test_the_latest_moment_of_a_cursor(cursor: dict[str, str | int], latest: datetime | None) -> None:
    assert latest_moment(cursor) == latest
