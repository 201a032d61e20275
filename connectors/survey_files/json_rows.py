"""JSON and JSON Lines: one object is one row, nested names are joined by points. Which array holds the rows is found.

Numbers stay as they are written, so that no id passes through a float. Reading is streaming, in two passes: the first
one collects the columns.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Final

import ijson

from connectors.survey_files.encoding import decode, detect, lines
from connectors.survey_files.table import HEAD_ROWS, FileRefused, RowCounts
from connectors.values import storable

_LOOKED_AT: Final = 1 << 20
_MOST_COLUMNS: Final = 5_000
_DEEPEST: Final = 3
"""Arrays of rows stand at most so many objects deep: {"_embedded": {"responses": [...]}}."""

Row = Mapping[str, str]


@dataclass(frozen=True)
class JsonRows:
    """The objects of one array, or of the lines."""

    name: str
    array: str | None
    columns: tuple[str, ...]
    head: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    may_be_cut_off: bool = False

    def rows(self, stream: BinaryIO, counts: RowCounts) -> Iterator[list[str]]:  # noqa: ARG002 - nothing to repair
        """The column names, then every object. Raises ``FileRefused`` where the JSON breaks off or is not valid."""
        yield list(self.columns)
        for row in _objects(stream, self.name, self.array):
            yield [row.get(column, "") for column in self.columns]


def open_json(stream: BinaryIO, name: str) -> JsonRows:
    """Find the rows and their columns. Raises ``FileRefused`` where there are none, or several arrays could be them."""
    array = None if _has_lines(stream) else _array(stream, name)
    columns = dict[str, None]()
    for row in _objects(stream, name, array):
        columns.update(dict.fromkeys(row))
        if len(columns) > _MOST_COLUMNS:
            raise FileRefused(
                f"{name} has more than {_MOST_COLUMNS} different names in its objects; no table has them."
            )
    header = tuple(columns)
    first = islice(_objects(stream, name, array), HEAD_ROWS - 1)
    head = (header, *(tuple(row.get(column, "") for column in header) for row in first))
    where = "JSON Lines" if array is None else f"JSON array {array.removesuffix('item').strip('.') or 'at the top'}"
    return JsonRows(name, array, header, head, (where,))


def _has_lines(stream: BinaryIO) -> bool:
    """Whether the first two lines are an object each, or the only line is one that holds no array of objects."""
    stream.seek(0)
    start = stream.read(_LOOKED_AT)
    text, _, _ = decode(start)
    first = [line for line in text.splitlines() if line.strip("\ufeff \t\0")][:3]
    if len(start) == _LOOKED_AT:
        first = first[:-1]  # its end was not read
    if not first or not all(_is_object(line) for line in first[:2]):
        return False
    return len(first) > 1 or not any(isinstance(value, list | dict) for value in _object(first[0]).values())


def _is_object(line: str) -> bool:
    try:
        return isinstance(_object(line), dict)
    except ValueError:
        return False


def _object(line: str) -> Any:
    """What a line says, numbers as they are written; raises ``ValueError`` for what is no JSON, or without end deep."""
    try:
        return json.loads(line.strip("\ufeff"), parse_float=str, parse_int=str)
    except RecursionError:
        raise ValueError from None


def _filled_lines(stream: BinaryIO) -> Iterator[str]:
    return (line for line in lines(stream, detect(stream)) if line.strip("\ufeff \t\r\n\0"))


def _array(stream: BinaryIO, name: str) -> str:
    """The path of the array that holds the rows: the one nearest to the top, and of several there the longest."""
    found = Counter[str]()
    for path, event, _ in _events(stream, name):
        if event == "start_map" and (path == "item" or path.endswith(".item")) and path.count("item") == 1:
            found[path] += 1
    depths = [path.count(".") for path in found]
    nearest = [path for path in found if path.count(".") == min(depths) <= _DEEPEST]
    if not nearest:
        raise FileRefused(
            f"{name} is JSON without an array of objects; a row of answers is an object. Export it again."
        )
    if len(nearest) > 1:
        shown = ", ".join(path.removesuffix(".item") for path in nearest)
        raise FileRefused(
            f"{name} has several arrays that may hold the answers: {shown}. Keep only the array of the answers in it."
        )
    return nearest[0]


def _events(stream: BinaryIO, name: str) -> Iterator[tuple[str, str, Any]]:
    try:
        yield from ijson.parse(_utf8(stream))
    except (ijson.JSONError, UnicodeDecodeError):
        raise _broken(name) from None


def _objects(stream: BinaryIO, name: str, array: str | None) -> Iterator[Row]:
    if array is None:
        for line in _filled_lines(stream):
            try:
                parsed = _object(line)
            except ValueError:
                raise _broken(name) from None
            yield _row(parsed, name)
        return
    try:
        for parsed in ijson.items(_utf8(stream), array):
            yield _row(parsed, name)
    except (ijson.JSONError, UnicodeDecodeError):
        raise _broken(name) from None


def _broken(name: str) -> FileRefused:
    return FileRefused(f"{name} is no valid JSON: it was cut off or damaged. Nothing of it was kept; export it again.")


def _row(parsed: object, name: str) -> Row:
    if not isinstance(parsed, dict):
        raise FileRefused(f"{name} has rows that are no JSON objects, so their columns have no names. Export it again.")
    try:
        return dict(_cells("", parsed))
    except RecursionError:
        raise FileRefused(
            f"{name} has objects within objects without end; a row of answers has few. Export it again."
        ) from None


def _cells(prefix: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, one in value.items():
        if isinstance(one, Mapping):
            yield from _cells(f"{prefix}{key}.", one)
        else:
            yield storable(prefix + key), storable(_text(one))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        simple = not any(isinstance(one, Mapping | list) for one in value)
        return ";".join(map(_text, value)) if simple else json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _utf8(stream: BinaryIO) -> Any:
    """The stream as ijson reads it: as it is where it is UTF-8, else decoded line by line."""
    encoding = detect(stream)
    if encoding.codec == "utf-8":
        stream.seek(0)
        return stream
    return _Reencoded(lines(stream, encoding))


class _Reencoded:
    """Text as a stream of UTF-8 bytes."""

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self._left = b""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, none at the end; ijson asks for none first of all, to see what it gets."""
        while len(self._left) < size and (line := next(self._text, "")):
            self._left += line.encode("utf-8", "replace")
        taken, self._left = self._left[:size], self._left[size:]
        return taken
