"""Zendesk's incremental exports: by cursor for tickets and users, by time for organizations."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.store import Record, Store
from sandbox.web import Refusal, bounded_integer
from sandbox.zendesk.shapes import Json, refusal, unix

PAGE = 1_000


@dataclass(frozen=True)
class Export:
    """What one export serves: the table, the time its rows go by, how a row is shown."""

    table: str
    time: Callable[[Record], int]
    show: Callable[[Record, str], Json]


def modification_time(record: Record) -> int:
    """The time that exports of users and organizations go by."""
    return unix(record.modified)


def base_of(request: Request) -> str:
    """Where the caller found this server; all links lead back there."""
    return f"{request.url.scheme}://{request.url.netloc}"


def by_cursor(store: Store, export: Export, request: Request, until: int) -> Response:
    """A page of a cursor export, deleted rows included, ordered by time and id; nothing later than ``until``.

    The last page has a link to the next one too: only ``end_of_stream`` tells.
    """
    query = request.query_params
    size = _page_size(request)
    after = _decoded(query["cursor"]) if "cursor" in query else (_start_time(request, until), -1)
    rows = sorted(
        (export.time(record), int(record.record_id), record)
        for record in store.everything(export.table)
        if (export.time(record), int(record.record_id)) > after and export.time(record) <= until
    )
    page = rows[:size]
    cursor = _encoded(*(page[-1][:2] if page else after))
    further = {"per_page": str(size)} if "per_page" in query else {}
    url = f"{base_of(request)}{request.url.path}?{urlencode({'cursor': cursor} | further)}"
    body: dict[str, Any] = {
        export.table: [export.show(record, base_of(request)) for _, _, record in page],
        "after_url": url,
        "before_url": None,
        "after_cursor": cursor,
        "before_cursor": None,
        "end_of_stream": len(rows) <= size,
    }
    return JSONResponse(body)


def by_time(store: Store, export: Export, request: Request, until: int) -> Response:
    """A page of a time export, deleted rows included; nothing later than ``until``.

    A second is not split over pages unless it exceeds the largest page. The next page starts at ``end_time``: one
    second after the last row, but the last row's own second where the page was cut there or the stream ends.
    """
    start, size = _start_time(request, until), _page_size(request)
    timed = ((export.time(record), record) for record in store.everything(export.table))
    rows = sorted((row for row in timed if start <= row[0] <= until), key=lambda row: row[0])
    end = min(size, len(rows))
    while end < min(PAGE, len(rows)) and rows[end][0] == rows[end - 1][0]:
        end += 1
    page, more = rows[:end], end < len(rows)
    last = page[-1][0] if page else None
    whole = more and rows[end][0] != last and end < PAGE
    end_time = last + 1 if last is not None and whole else last
    further = {"per_page": str(size)} if "per_page" in request.query_params else {}
    query = urlencode(further | {"start_time": str(end_time)})
    body: dict[str, Any] = {
        export.table: [export.show(record, base_of(request)) for _, record in page],
        "next_page": f"{base_of(request)}{request.url.path}?{query}" if page else None,
        "count": len(page),
        "end_of_stream": not more,
        "end_time": end_time,
    }
    return JSONResponse(body)


def creation_time(record: Record) -> int:
    """The time that the export of events goes by: they do not change."""
    return unix(record.created)


def _start_time(request: Request, until: int) -> int:
    given = request.query_params.get("start_time")
    if given is None:
        raise refusal(400, "ParameterMissing", "Parameter start_time is required")
    if not given.isdigit():
        raise refusal(400, "InvalidValue", "Parameter start_time must be a Unix time in whole seconds")
    if int(given) > until:
        raise refusal(422, "InvalidValue", "Too recent start_time. Use a start_time older than 60 seconds")
    return int(given)


def _page_size(request: Request) -> int:
    return bounded_integer(request.query_params.get("per_page"), PAGE, PAGE, _bad_page)


def _bad_page(text: str) -> Refusal:
    return refusal(400, "InvalidPaginationParameter", f"per_page {text} is not between 1 and {PAGE}")


def _encoded(time: int, record_id: int) -> str:
    return base64.b64encode(f"{time}.0||{record_id}|".encode()).decode()


def _decoded(cursor: str) -> tuple[int, int]:
    try:
        time, _, record_id = base64.b64decode(cursor, validate=True).decode().partition(".0||")
        return int(time), int(record_id.removesuffix("|"))
    except (binascii.Error, ValueError):
        raise refusal(400, "InvalidPaginationParameter", "cursor is not valid") from None
