"""JSON, JSON Lines and Parquet: where the rows are, which columns they have, and that no number changes."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.survey_files.reader import open_source
from connectors.survey_files.table import FileRefused, RowCounts

Write = Callable[..., Path]
LONG_ID = "12345678901234567890123"
DEEP = '{"a": ' * 5_000 + "1" + "}" * 5_000


def rows_of(path: Path) -> list[list[str]]:
    return list(open_source(path).raw_rows(RowCounts()))


@pytest.mark.parametrize(
    "content",
    [
        '[{"id": 1, "score": 9}, {"id": 2, "score": 4}]',
        '{"data": [{"id": 1, "score": 9}, {"id": 2, "score": 4}]}',
        '{"page": {"size": 2}, "_embedded": {"responses": [{"id": 1, "score": 9}, {"id": 2, "score": 4}]}}',
        '{"id": 1, "score": 9}\n{"id": 2, "score": 4}\n',
        '\n{"id": 1, "score": 9}\r\n\r\n{"id": 2, "score": 4}',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_rows_are_found(write: Write, content: str, encoding: str) -> None:
    assert rows_of(write(content.encode(encoding), "a.json")) == [["id", "score"], ["1", "9"], ["2", "4"]]


def test_one_object_on_one_line_is_one_row(write: Write) -> None:
    assert rows_of(write('{"id": 1, "score": 9}', "a.jsonl")) == [["id", "score"], ["1", "9"]]


@pytest.mark.parametrize("form", ["[{}]", "{}\n{}"])
def test_values_become_text_without_loss(write: Write, form: str) -> None:
    one = (
        f'{{"id": {LONG_ID}, "score": 9.0, "half": 9.5, "ok": true, "none": null, '
        '"person": {"email": "a@b.example"}, "tags": ["a", "b"], "notes": [{"text": "hé"}]}'
    )
    content = form.replace("{}", one, 1).replace("{}", '{"late": "x"}')
    rows = rows_of(write(content, "a.json"))
    assert rows[0][:8] == ["id", "score", "half", "ok", "none", "person.email", "tags", "notes"]
    assert rows[1][:8] == [LONG_ID, "9.0", "9.5", "true", "", "a@b.example", "a;b", '[{"text": "hé"}]']


@pytest.mark.parametrize(("form", "sign"), [("[{}]", "?"), ("{}\n{}", "\ufffd")])
def test_half_of_an_emoji_becomes_a_sign_that_can_be_stored(write: Write, form: str, sign: str) -> None:
    content = form.replace("{}", r'{"id": 1, "what": "cut \ud83d off", "all": "\ud83d\ude00"}')
    header, first, *_ = rows_of(write(content, "a.json"))
    assert (header, first) == (["id", "what", "all"], ["1", f"cut {sign} off", "\U0001f600"])


def test_a_name_that_only_a_later_object_has_is_a_column(write: Write) -> None:
    rows = rows_of(write('[{"id": 1}, {"id": 2, "comment": "late"}]', "a.json"))
    assert rows == [["id", "comment"], ["1", ""], ["2", "late"]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('[{"id": 1}, {"id": 2', "is no valid JSON: it was cut off or damaged"),
        ('{"id": 1}\n{"id": 2}\n{"id"', "is no valid JSON: it was cut off or damaged"),
        ('{"a": [{"id": 1}], "b": [{"id": 2}]}', "several arrays that may hold the answers: a, b"),
        ('{"a": [1, 2], "b": {}}', "is JSON without an array of objects"),
        ('[{"id": 1}, [2]]', "rows that are no JSON objects"),
        (f'{{"id": 1}}\n{{"id": {DEEP}}}\n', "is no valid JSON"),
        (f'[{{"id": 1, "deep": {DEEP}}}]', "objects within objects without end"),
    ],
)
def test_what_has_no_rows_is_refused_with_what_to_do(write: Write, content: str, sentence: str) -> None:
    with pytest.raises(FileRefused, match=sentence):
        rows_of(write(content, "a.json"))


def parquet(columns: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def test_parquet_columns_of_any_type_become_text(write: Write) -> None:
    content = parquet(
        {
            "id": pa.array([2**63 - 1, 2], pa.int64()),
            "score": pa.array([9.0, None], pa.float64()),
            "at": pa.array([datetime(2026, 3, 1, 14, 5, tzinfo=UTC), None], pa.timestamp("ms", "UTC")),
            "tags": pa.array([["a"], None]),
        }
    )
    header, first, second = rows_of(write(content, "a.parquet"))
    assert header == ["id", "score", "at", "tags"]
    assert first == ["9223372036854775807", "9", "2026-03-01 14:05:00.000Z", '["a"]']
    assert second == ["2", "", "", ""]


def test_a_damaged_parquet_file_is_refused(write: Write) -> None:
    content = parquet({"id": [1, 2]})
    with pytest.raises(FileRefused, match=r"a.parquet is a damaged Parquet file"):
        open_source(write(content[: len(content) // 2], "a.parquet"))
