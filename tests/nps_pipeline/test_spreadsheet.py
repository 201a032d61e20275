"""What is written for spreadsheets is never a formula there, and loses nothing."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nps_pipeline.spreadsheet import as_csv, neutral, write_csv

FORMULAS = (
    "=1+1",
    "+49 170 5550199",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "  =1",
    "\n@x",
    "\uff1d1",
    "\u00a0=1",
    "'=1",
)
TEXTS = st.text(alphabet=st.one_of(st.sampled_from("=+-@\t\r\n' \uff1d\uff0b\uff0d\uff20a1"), st.characters()))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_made_text(text: str) -> None:
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "9", "a=b", "score 9.5", "2026-01-01", "a@b.example"])
def test_plain_text_stays(text: str) -> None:
    assert neutral(text) == text


def test_what_is_no_text_is_written_too() -> None:
    assert [neutral(value) for value in (None, -1, 7)] == ["", "'-1", "7"]


@given(TEXTS)
def test_no_cell_begins_a_formula_and_each_gives_its_text_back(text: str) -> None:
    ((cell,),) = list(csv.reader(io.StringIO(as_csv([{"a": text}], ["a"]), newline="")))[1:] or [[""]]
    assert not cell.strip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert cell.removeprefix("'") == text


def test_a_file_has_the_mark_of_utf_8_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("before")
    write_csv(path, as_csv([{"a": "ü", "b": 1}], ["a", "b"]))
    assert path.read_bytes() == b"\xef\xbb\xbfa,b\r\n\xc3\xbc,1\r\n"
    assert list(tmp_path.iterdir()) == [path]
