"""Excel workbooks: which sheet, which text a cell becomes, and the ones that are refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.survey_files.connector import open_survey_file
from connectors.survey_files.mapping import FileMapping
from connectors.survey_files.reader import open_source
from connectors.survey_files.table import FileRefused, Options, RowCounts

Write = Callable[..., Path]
Cells = Sequence[Sequence[Any]]

ANSWERS: Cells = [["id", "score"], [1, 9], [2, 4]]


def book(sheets: Mapping[str, Cells], hidden: Sequence[str] = ()) -> bytes:
    made = openpyxl.Workbook()
    made.remove(made.worksheets[0])
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
        sheet.sheet_state = "hidden" if title in hidden else "visible"
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def with_part(content: bytes, part: str, text: bytes) -> bytes:
    """A workbook with one part written anew."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, text if name == part else old.read(name))
    return out.getvalue()


def rows_of(path: Path, **options: str) -> list[list[str]]:
    return list(open_source(path, Options(**options)).raw_rows(RowCounts()))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (9, "9"),
        (9.0, "9"),
        (9.5, "9.5"),
        (0.000001, "0.000001"),
        (114_055_812_345, "114055812345"),
        (1e20, "1.0000000000000000E+20"),
        (True, "TRUE"),
        ("007", "007"),
        ("two\nlines", "two\nlines"),
        (datetime(2026, 3, 1, 14, 5), "2026-03-01 14:05:00"),  # noqa: DTZ001 - a date cell has no zone
        (date(2026, 3, 1), "2026-03-01 00:00:00"),
        (time(14, 5), "14:05:00"),
    ],
)
def test_a_cell_becomes_text_without_loss(write: Write, cell: object, text: str) -> None:
    assert rows_of(write(book({"S": [["id", "cell"], ["x", cell]]}), "a.xlsx"))[1] == (["x", text])


def test_a_number_that_no_float_can_hold_stays_as_it_is_written(write: Write) -> None:
    content = book({"S": [["id", "score"], [1_234_567, 9]]})
    part = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        sheet = opened.read(part).replace(b"<v>1234567</v>", b"<v>9007199254740993</v>")
    assert rows_of(write(with_part(content, part, sheet), "a.xlsx"))[1] == ["9007199254740993", "9"]


def test_blank_rows_are_left_out_and_short_ones_are_not_padded_by_a_stated_size(write: Write) -> None:
    content = book({"S": [["id", "score"], [None, None], [1, 9]]})
    part = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        sheet = opened.read(part).replace(b'<dimension ref="A1:B3"', b'<dimension ref="A1"')
    assert rows_of(write(with_part(content, part, sheet), "a.xlsx")) == [["id", "score"], ["1", "9"]]


def test_the_only_sheet_with_a_table_is_taken(write: Write) -> None:
    path = write(book({"Cover": [["Survey 2026"]], "Answers": ANSWERS, "Empty": []}), "a.xlsx")
    source = open_source(path)
    assert list(source.raw_rows(RowCounts())) == [["id", "score"], ["1", "9"], ["2", "4"]]
    assert list(source.table.notes) == ["Excel sheet 'Answers'"]


def test_a_hidden_sheet_is_taken_only_where_it_is_named(write: Write) -> None:
    path = write(book({"Answers": ANSWERS, "Old": [["id", "score"], [7, 7]]}, hidden=["Old"]), "a.xlsx")
    assert rows_of(path)[1:] == [["1", "9"], ["2", "4"]]
    assert list(open_source(path).table.notes) == ["Excel sheet 'Answers'", "1 hidden sheets left aside"]
    assert rows_of(path, sheet="Old")[1:] == [["7", "7"]]


def test_several_tables_are_asked_about_and_the_answer_is_kept_to(write: Write) -> None:
    path = write(book({"March": ANSWERS, "April": [["id", "score"], [3, 10]]}), "a.xlsx")
    with pytest.raises(FileRefused, match=r"2 sheets that may hold the answers: 'March', 'April'. Say which one"):
        open_source(path)
    with pytest.raises(FileRefused, match=r"has no sheet 'May', .* its sheets are: 'March', 'April'"):
        open_source(path, Options(sheet="May"))
    mapping = FileMapping(name="kiosk", match="*.xlsx", id="id", score="score", scale=(0, 10), sheet="April")
    assert [one.record_id for page in open_survey_file(path, [mapping], "UTC").pages() for one in page.records] == ["3"]


def test_of_several_tables_the_one_with_the_mapped_columns_is_taken(write: Write) -> None:
    path = write(book({"Legend": [["code", "meaning"], [1, "bad"]], "Answers": ANSWERS}), "a.xlsx")
    mapping = FileMapping(name="kiosk", match="*.xlsx", id="id", score="score", scale=(0, 10))
    assert open_survey_file(path, [mapping], "UTC").data_rows == 2


def test_an_export_of_a_known_tool_is_recognised_in_a_workbook(write: Write) -> None:
    rows: Cells = [
        ["Respondent ID", "Collector ID", "Start Date", "End Date", "How likely are you to recommend us to a friend?"],
        ["", "", "", "", "Response"],
        [114_055_812_345, 1, datetime(2026, 3, 1, 14), datetime(2026, 3, 1, 14, 5), 9],  # noqa: DTZ001
    ]
    file = open_survey_file(write(book({"Sheet": rows}), "march.xlsx"), [], "Europe/Berlin")
    (record,) = [one for page in file.pages() for one in page.records]
    assert (file.stream.name, record.record_id) == ("surveymonkey", "114055812345")
    assert '"responded_at":"2026-03-01 13:05:00.000000"' in record.payload
    assert '"score":"9"' in record.payload


BOMB = b"""<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c r="A1" t="str">
<v>&b;</v></c></row></sheetData></worksheet>"""


def test_bombs_are_refused_by_name(write: Write) -> None:
    part, content = "xl/worksheets/sheet1.xml", book({"Answers": ANSWERS})
    with pytest.raises(FileRefused, match=r"a.xlsx defines XML entities"):
        open_source(write(with_part(content, part, BOMB), "a.xlsx"))
    with pytest.raises(FileRefused, match=r"b.xlsx unpacks to far more than a sheet of answers can be"):
        open_source(write(with_part(content, part, b" " * 40_000_000), "b.xlsx"))


def test_a_damaged_workbook_is_refused(write: Write) -> None:
    content = book({"Answers": ANSWERS})
    for damaged in (content[: len(content) // 2], with_part(content, "xl/workbook.xml", b"<")):
        with pytest.raises(FileRefused, match=r"a.xlsx is a damaged"):
            open_source(write(damaged, "a.xlsx"))


def test_a_workbook_without_a_table_is_refused(write: Write) -> None:
    with pytest.raises(FileRefused, match="has no sheet with a header and rows of answers"):
        open_source(write(book({"Cover": [["Survey"]]}), "a.xlsx"))


def test_another_zip_archive_is_no_workbook(write: Write) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    with pytest.raises(FileRefused, match="is a zip archive that holds no Excel workbook"):
        open_source(write(out.getvalue(), "letter.docx"))


def test_a_percentage_is_no_score(write: Write) -> None:
    made = openpyxl.Workbook()
    sheet = made.worksheets[0]
    for row in (["id", "share", "score"], [1, 1, 9], [2, 0.29, 4], [3, 1, 8]):
        sheet.append(row)
    sheet["B2"].number_format, sheet["B3"].number_format = "0%", "0.00 %"
    stream = io.BytesIO()
    made.save(stream)
    rows = list(open_source(write(stream.getvalue(), "book.xlsx")).raw_rows(RowCounts()))
    assert rows == [["id", "share", "score"], ["1", "100%", "9"], ["2", "29%", "4"], ["3", "1", "8"]]


@pytest.mark.parametrize(("at", "value"), [(6, 200), (8, 1)], ids=["version", "password"])
def test_a_workbook_with_a_damaged_or_locked_part_is_refused(write: Write, at: int, value: int) -> None:
    out = io.BytesIO()
    openpyxl.Workbook().save(out)
    place = out.getvalue().rindex(b"[Content_Types].xml") - 46 + at  # in the directory at the end
    content = out.getvalue()[:place] + bytes([value]) + out.getvalue()[place + 1 :]
    with pytest.raises(FileRefused, match=r"a.xlsx is a damaged or protected Excel workbook"):
        open_source(write(content, "a.xlsx"))
