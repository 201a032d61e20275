"""Zendesk's lists: page by page with a cursor where page[size] is given, else by page number. No export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from sandbox.web import Refusal, bounded_integer
from sandbox.zendesk.exports import base_of
from sandbox.zendesk.shapes import refusal

PAGE = 100
Row = TypeVar("Row")


def by_cursor(
    rows: Sequence[Row], number_of: Callable[[Row], int], request: Request
) -> tuple[list[Row], dict[str, Any]]:
    """A page of a list and what tells about the next one; the cursor is the number of the last row before it."""
    query = request.query_params
    size = bounded_integer(query.get("page[size]"), PAGE, PAGE, _bad_page)
    after = query.get("page[after]", "0")
    if not after.isdigit():
        raise _bad_page(after)
    left = sorted((row for row in rows if number_of(row) > int(after)), key=number_of)
    page, more = left[:size], len(left) > size
    cursor = str(number_of(page[-1])) if page else None
    following = urlencode({"page[size]": size, "page[after]": cursor})
    return page, {
        "meta": {"has_more": more, "after_cursor": cursor, "before_cursor": None},
        "links": {"prev": None, "next": f"{base_of(request)}{request.url.path}?{following}" if more else None},
    }


def by_number(rows: Sequence[Row], request: Request) -> tuple[list[Row], dict[str, Any]]:
    """A page of a list and what tells about the next one."""
    query = request.query_params
    size = bounded_integer(query.get("per_page"), PAGE, PAGE, _bad_page)
    number = bounded_integer(query.get("page"), 1, len(rows) + 1, _bad_page)
    page, more = rows[(number - 1) * size : number * size], len(rows) > number * size
    following = urlencode({"page": number + 1, "per_page": size})
    next_page = f"{base_of(request)}{request.url.path}?{following}" if more else None
    return list(page), {"next_page": next_page, "previous_page": None, "count": len(rows)}


def _bad_page(text: str) -> Refusal:
    """What is no page size or place."""
    return refusal(400, "InvalidPaginationParameter", f"{text} is not a page size or place")
