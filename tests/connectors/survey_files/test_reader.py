"""Files to rows of text cells, and the files that are refused with a sentence."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.survey_files.delimited import DelimitedText
from connectors.survey_files.reader import open_source
from connectors.survey_files.table import FileRefused, Options, RowCounts, column_names

Write = Callable[..., Path]


def rows_of(path: Path, **options: str) -> list[list[str]]:
    return list(open_source(path, Options(**options)).raw_rows(RowCounts()))


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("id,score\n1,9\n", ","),
        ("id;score\n1;9\n", ";"),
        ("id\tscore\n1\t9\n", "\t"),
        ("id|score\n1|9\n", "|"),
        # the rows decide where the header could be read either way
        ("Wie zufrieden, insgesamt;Note\nsehr, sehr;9\nnicht;3\n", ";"),
        ('id,"a;b;c",score\n1,"x;y",9\n', ","),
        ("id;betrag\n1;3,50\n2;4,00\n", ";"),
    ],
)
def test_the_delimiter_is_found_from_the_first_rows(write: Write, content: str, delimiter: str) -> None:
    table = open_source(write(content)).table
    assert isinstance(table, DelimitedText)
    assert table.delimiter == delimiter


def test_the_declared_delimiter_wins(write: Write) -> None:
    assert rows_of(write("a,b;c,d\n1,2;3,4\n"), delimiter=";") == [["a,b", "c,d"], ["1,2", "3,4"]]


def test_line_breaks_quotes_and_delimiters_inside_quotes_stay_in_their_cell(write: Write) -> None:
    content = 'id,comment\r\n1,"two\r\nlines, and ""quotes"""\r\n2,ok\r\n'
    assert rows_of(write(content)) == [["id", "comment"], ["1", 'two\r\nlines, and "quotes"'], ["2", "ok"]]


@pytest.mark.parametrize(
    "content", ["id,score\n\n1,9\n\n\n", "id,score\n1,9\n \n\x1a", "id,score\r1,9\r", "id,score\n1,9"]
)
def test_blank_lines_and_old_line_ends_make_no_rows(write: Write, content: str) -> None:
    assert rows_of(write(content)) == [["id", "score"], ["1", "9"]]


def test_a_row_of_empty_cells_is_a_row(write: Write) -> None:
    assert rows_of(write("id,score\n,\n")) == [["id", "score"], ["", ""]]


def test_zero_bytes_are_removed_and_counted(write: Write) -> None:
    source = open_source(write("id,score\n1\0,9\0\n" + "2,8\n" * 20))
    assert source.table.notes == ["encoding utf-8", "2 zero bytes removed"]
    assert list(source.raw_rows(RowCounts()))[1] == ["1", "9"]


def test_a_cell_of_ten_megabytes_is_read(write: Write) -> None:
    long = "très long " * 1_000_000
    rows = rows_of(write(f'id,comment\n1,"{long}"\n2,short\n'))
    assert [len(cell) for cell in rows[1]] == [1, len(long)]
    assert rows[2] == ["2", "short"]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        (["", "id", "nps"], ("column_1", "id", "nps")),
        (["id", "", "nps", "", ""], ("id", "column_2", "nps")),
        (["score", "score", "score"], ("score", "score_2", "score_3")),
        (["score", "score_2", "score"], ("score", "score_2", "score_3")),
        ([" Time \n stamp ", "id"], ("Time stamp", "id")),
    ],
)
def test_every_column_gets_a_name_of_its_own(header: list[str], names: tuple[str, ...]) -> None:
    assert column_names(header) == names


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml" if name == "workbook" else "survey.csv", "x" * 100)
        archive.writestr("xl/workbook.xml", "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.csv", b"", r"empty.csv is empty \(0 bytes\). Export it again"),
        ("blank.csv", b"\n\n", "blank.csv is empty: it has no rows"),
        (
            "old.xls",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "is an old or a protected Excel workbook",
        ),
        ("survey.pdf", b"%PDF-1.7\n%...", "is a PDF document"),
        ("login.csv", b"<!DOCTYPE html><html>", "is a web page, often a login page"),
        ("noise.csv", bytes(range(1, 32)) * 40, "noise.csv is not text"),
        ("zeros.csv", b"a\0\0\0b" * 300, "zeros.csv is not text"),
    ],
)
def test_what_is_no_csv_is_refused_with_what_to_do(write: Write, name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(FileRefused, match=sentence):
        open_source(write(content, name))


def test_a_file_that_ends_inside_a_quoted_cell_is_refused(write: Write) -> None:
    source = open_source(write('id,comment\n1,"fine"\n2,"cut off in the mid'))
    with pytest.raises(FileRefused, match=r"survey.csv ends inside a quoted cell: it was cut off"):
        list(source.raw_rows(RowCounts()))


def test_a_quote_that_never_closes_is_refused_before_it_fills_the_memory(write: Write) -> None:
    source = open_source(write('id,comment\n1,"' + ("x" * 1000 + "\n") * 70_000))
    with pytest.raises(FileRefused, match="a cell of more than 64 MB, most likely a quote that is never closed"):
        list(source.raw_rows(RowCounts()))


def test_links_folders_pipes_and_missing_files_are_refused(write: Write, tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(write("id,score\n1,9\n"))
    with pytest.raises(FileRefused, match=r"link.csv is a symbolic link"):
        open_source(link)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(FileRefused, match=r"pipe.csv is not a regular file"):
        open_source(tmp_path / "pipe.csv")
    with pytest.raises(FileRefused, match="is not a regular file"):
        open_source(tmp_path)
    with pytest.raises(FileRefused, match=re.escape("gone.csv cannot be opened (No such file or directory)")):
        open_source(tmp_path / "gone.csv")


def test_a_file_that_changes_after_it_was_opened_is_refused(write: Write) -> None:
    source = open_source(write("id,score\n1,9\n"))
    write("id,score\n1,9\n2,10\n")
    with pytest.raises(FileRefused, match=r"survey.csv changed while it was read"):
        list(source.raw_rows(RowCounts()))


def test_a_file_that_changes_while_it_is_read_is_refused(write: Write) -> None:
    rows = open_source(write("id,score\n1,9\n" + "2,8\n" * 100)).raw_rows(RowCounts())
    next(rows)
    write("id,score\n1,9\n" + "2,8\n" * 50)
    with pytest.raises(FileRefused, match="changed while it was read"):
        list(rows)
