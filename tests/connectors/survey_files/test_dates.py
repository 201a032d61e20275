# ruff: noqa: DTZ001 - naive times are the subject here
"""Date cells to UTC instants, the order of day and month decided over the whole column."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.survey_files.dates import (
    DateEvidence,
    DateOrderError,
    DateRule,
    constant_instant,
    date_reader,
    utc_text,
    zone_in_header,
    zone_named,
)

PARIS = ZoneInfo("Europe/Paris")


def read_column(
    *cells: str, zone: ZoneInfo = PARIS, form: str | None = None, usual: str | None = None
) -> list[str | None]:
    evidence = DateEvidence()
    for cell in cells:
        evidence.add(cell)
    read, _ = date_reader(DateRule(zone, form, usual), evidence)
    return [utc_text(instant) if (instant := read(cell)) else None for cell in cells]


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("2026/03/01 9:12:13 AM MEZ", "2026-03-01 08:12:13.000000"),
        ("2026/07/01 9:12:13 PM MESZ", "2026-07-01 19:12:13.000000"),
        ("2026/07/01 12:12:13 nachm. OESZ", "2026-07-01 09:12:13.000000"),
        ("2026/03/01 9:12:13 vorm.", "2026-03-01 08:12:13.000000"),
        ("24/03/2026 9:05 p. m.", "2026-03-24 20:05:00.000000"),
        ("24/03/2026 9:05 a. m. GMT+1", "2026-03-24 08:05:00.000000"),
        ("24.03.2026 10:05 Uhr", "2026-03-24 09:05:00.000000"),
        ("1. März 2026 um 10:05", "2026-03-01 09:05:00.000000"),
        ("1er mars 2026 à 10:05", "2026-03-01 09:05:00.000000"),
        ("24/03/2026,\u00a09:05\u202fPM", "2026-03-24 20:05:00.000000"),
        ("2024-01-15", "2024-01-14 23:00:00.000000"),
        ("2024-07-15", "2024-07-14 22:00:00.000000"),
        ("2024-01-15 10:30", "2024-01-15 09:30:00.000000"),
        ("2017-07-18 08:28:09", "2017-07-18 06:28:09.000000"),
        ("2024-01-15T10:30:00", "2024-01-15 09:30:00.000000"),
        ("2024-01-15T10:30:00.123456", "2024-01-15 09:30:00.123456"),
        ("2024-01-15T10:30:00Z", "2024-01-15 10:30:00.000000"),
        ("2024-01-15T10:30:00+02:00", "2024-01-15 08:30:00.000000"),
        ("2024-01-15 10:30:00 UTC", "2024-01-15 10:30:00.000000"),
        ("2024-01-15 10:30:00 +0530", "2024-01-15 05:00:00.000000"),
        ("2017/11/24 12:39:58 PM GMT+4", "2017-11-24 08:39:58.000000"),
        ("2017/11/24 12:39:58 AM GMT-4", "2017-11-24 04:39:58.000000"),
        ("2017/11/24 1:05:00 PM", "2017-11-24 12:05:00.000000"),
        ("24.12.2024 18:00", "2024-12-24 17:00:00.000000"),
        ("24.12.2024", "2024-12-23 23:00:00.000000"),
        ("3.4.2024 09:05:07", "2024-04-03 07:05:07.000000"),
        ("11/24/2024 01:39:58 PM", "2024-11-24 12:39:58.000000"),
        ("24/11/2024 13:39", "2024-11-24 12:39:00.000000"),
        ("24/11/24 13:39", "2024-11-24 12:39:00.000000"),
        ("24-11-2024", "2024-11-23 23:00:00.000000"),
        ("Wed Oct 16 2024", "2024-10-15 22:00:00.000000"),
        ("23 July 2024", "2024-07-22 22:00:00.000000"),
        ("23. Juli 2024 10:15", "2024-07-23 08:15:00.000000"),
        ("23 de julio de 2024", "2024-07-22 22:00:00.000000"),
        ("July 4th, 2024 1:05 PM", "2024-07-04 11:05:00.000000"),
        ("05-Mar-2024", "2024-03-04 23:00:00.000000"),
        ("mercredi 7 août 2024", "2024-08-06 22:00:00.000000"),
        ("1517430403", "2018-01-31 20:26:43.000000"),
        ("1517430403123", "2018-01-31 20:26:43.123000"),
        ("2024-3-5 7:08", "2024-03-05 06:08:00.000000"),
        # the clock change in Paris: 02:30 does not exist on 31 March, and exists twice on 27 October
        ("2024-03-31 02:30:00", "2024-03-31 01:30:00.000000"),
        ("2024-10-27 02:30:00", "2024-10-27 00:30:00.000000"),
    ],
)
def test_a_date_is_read_in_its_zone(cell: str, utc: str) -> None:
    assert read_column(cell) == [utc]


@pytest.mark.parametrize(
    "cell",
    [
        "soon", "n/a", "2024-13-01", "31.02.2024", "2024-01-15 25:00", "13:00 PM", "24/11/2024 13:39 PM", "0000-01-01",
        "24-11-17", "1/2/4", "2024-01-15 10:30 CET", "20240115", "45123", "9999-12-31 23:59:59-12:00",
        "\u0661\u0665/\u0660\u0661/2024",
    ],
)  # fmt: skip
def test_what_is_no_date_is_unreadable_and_never_guessed(cell: str) -> None:
    assert read_column(cell) == [None]


@pytest.mark.parametrize(
    ("cells", "first_utc"),
    [
        (("03/04/2024", "13/04/2024"), "2024-04-02 22:00:00.000000"),
        (("03/04/2024", "04/13/2024"), "2024-03-03 23:00:00.000000"),
        (("03-04-2024", "13-04-2024"), "2024-04-02 22:00:00.000000"),
        # points are day first everywhere they are used; a day equal to its month says the same both ways
        (("03.04.2024", "05.06.2024"), "2024-04-02 22:00:00.000000"),
        (("05/05/2024", "06/06/2024"), "2024-05-04 22:00:00.000000"),
    ],
)
def test_the_whole_column_decides_the_order_of_day_and_month(cells: tuple[str, ...], first_utc: str) -> None:
    assert read_column(*cells)[0] == first_utc


def test_blanks_of_another_kind_do_not_hide_that_the_order_is_open() -> None:
    with pytest.raises(DateOrderError, match="cannot be told apart"):
        read_column("3/1/2026, 9:05:00\u202fAM", "3/4/2026, 9:05:00\u202fAM")


def test_an_open_order_is_a_question_not_a_guess() -> None:
    with pytest.raises(DateOrderError, match=r"Which comes first.*day_first or format: month_first"):
        read_column("03/04/2024", "05/06/2024")


def test_both_orders_in_one_column_are_refused() -> None:
    with pytest.raises(DateOrderError, match="2 dates only fit day/month and 1 only month/day"):
        read_column("13/04/2024", "14/04/2024", "04/13/2024")


def test_the_answer_to_the_question_decides() -> None:
    assert read_column("03/04/2024", form="day_first") == ["2024-04-02 22:00:00.000000"]
    assert read_column("03/04/2024", form="month_first") == ["2024-03-03 23:00:00.000000"]


def test_what_a_tool_usually_writes_decides_only_an_open_order() -> None:
    assert read_column("03/04/2024", usual="month_first") == ["2024-03-03 23:00:00.000000"]
    assert read_column("03/04/2024", "13/04/2024", usual="month_first")[0] == "2024-04-02 22:00:00.000000"


@pytest.mark.parametrize(
    ("cell", "format_", "utc"),
    [
        ("1510000000", "unix_seconds", "2017-11-06 20:26:40.000000"),
        ("1510000000123", "unix_millis", "2017-11-06 20:26:40.123000"),
        ("23 July 2024", "%d %B %Y", "2024-07-22 22:00:00.000000"),
        ("240715 0800", "%y%m%d %H%M", "2024-07-15 06:00:00.000000"),
        ("15Jul2024 08:00 +0000", "%d%b%Y %H:%M %z", "2024-07-15 08:00:00.000000"),
        ("never", "unix_seconds", None),
        ("1e30", "unix_seconds", None),
        ("32 July 2024", "%d %B %Y", None),
    ],
)
def test_a_declared_format_is_used(cell: str, format_: str, utc: str | None) -> None:
    assert read_column(cell, form=format_) == [utc]


@pytest.mark.parametrize(
    ("header", "hours"),
    [
        ("Submit Date (UTC)", 0),
        ("Start (GMT+2)", 2),
        ("When (UTC-03:30)", -3.5),
        ("Date", None),
        ("Date (local)", None),
    ],
)
def test_the_header_may_state_the_zone(header: str, hours: float | None) -> None:
    zone = zone_in_header(header)
    offset = zone.utcoffset(datetime(2024, 1, 1)) if zone else None
    assert (offset.total_seconds() / 3600 if offset is not None else None) == hours


def test_a_stated_date_is_midnight_in_its_zone_and_a_stated_time_is_that_time() -> None:
    assert utc_text(constant_instant(date(2017, 1, 1), PARIS)) == "2016-12-31 23:00:00.000000"
    assert utc_text(constant_instant(datetime(2017, 1, 1, 12, 0), PARIS)) == "2017-01-01 11:00:00.000000"
    assert utc_text(constant_instant(datetime(2017, 1, 1, 12, 0, tzinfo=UTC), PARIS)) == "2017-01-01 12:00:00.000000"


@pytest.mark.parametrize("name", ["Mars/Base", "../etc", "", "UTC+2", "/usr"])
def test_an_unknown_zone_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        zone_named(name)


@given(st.text(max_size=30))
def test_no_cell_makes_reading_fail(cell: str) -> None:
    assert len(read_column(cell, usual="day_first")) == 1


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)),
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %I:%M:%S %p"]),
)
def test_every_instant_survives_being_written_and_read(moment: datetime, form: str) -> None:
    moment = moment.replace(microsecond=0)
    cell = moment.strftime(form)
    assert read_column(cell, zone=ZoneInfo("UTC")) == [utc_text(moment)]
