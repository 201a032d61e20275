"""Many records of one object through a query job of the Bulk API 2.0: the job, its pages, its CSV. No cursors here.

What the Bulk API 2.0 Developer Guide says: a job answers with pages of CSV, each with the header again; the header
``Sforce-Locator`` leads to the next one and is ``null`` after the last; ``Sforce-NumberOfRecords`` counts its rows. The
rows come in no order: ORDER BY would keep Salesforce from reading a large object in parallel. A job belongs to the
user, so it outlives a session.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from time import sleep
from typing import Any, Final

from connectors import http
from connectors.errors import ConnectorError, RetryableError
from connectors.salesforce_describe import Asked
from connectors.salesforce_login import REFUSALS, TITLE, Refused
from connectors.salesforce_query import Meaning, Reader, begins_again, by_code, select, short
from connectors.salesforce_rows import row_of_csv

JOBS: Final = "jobs/query"
PAGE: Final = 20_000  # rows; the text of one page is in memory
AT_ONCE: Final = 2_000  # rows that are taken out of it at a time
FIRST_WAIT, LONGEST_WAIT, PATIENCE = 1.0, 30.0, 4 * 3600.0
AT_WORK: Final = ("Open", "UploadComplete", "InProgress")
COMPLETE: Final = "JobComplete"
NO_CELL: Final = ("address", "location", "base64")  # types of fields that a query job must not select
REFUSED: Final = (400, 403, 404, 405)
NO_LOCATOR: Final = ("", "null")
LONGEST_CELL: Final = 1_000_000  # a long text area of Salesforce has 131,072 characters
FAILURE_CODE: Final = re.compile(r"[A-Za-z_ ]{1,60}(?=:|$)")


class NotForBulkError(ConnectorError):
    """The Bulk API does not offer this object or these fields, or no more jobs today: it has to be read by REST."""


@dataclass(frozen=True, slots=True)
class Results:
    """A page of a job's results: its CSV, how many rows that has, the id of the first, and where the next page is."""

    body: bytes
    count: int
    first: str
    locator: str


def bulk_rows(reader: Reader, asked: Asked, rest: str) -> Iterator[list[dict[str, Any]]]:
    """The rows of a query, deleted records too, as REST would serve them; in no order.

    Args:
        reader: Asks Salesforce.
        asked: The object and its columns.
        rest: What follows the object's name in the query.

    Raises:
        NotForBulkError: There is no job for this; nothing was served.
        RetryableError: The job failed, was aborted or vanished, or its pages are not all of it.
    """
    if not set(NO_CELL).isdisjoint(asked.kinds.values()):
        raise _not_for_bulk(asked.name)
    body = {
        "operation": "queryAll",
        "query": select(asked.name, asked.columns, rest),
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    job = reader.request(asked.name, "POST", JOBS, _job, _no_job(asked.name), json=body)["id"]
    done = False
    try:
        total = _completed(reader, asked.name, job)
        done = True
        if total != 0:  # the Guide does not say what the results of nothing look like
            yield from _pages(reader, asked, job, total)
    finally:
        _discard(reader, asked.name, job, done=done)


def _not_for_bulk(name: str) -> NotForBulkError:
    return NotForBulkError(f"{TITLE} does not offer {name} to the Bulk API.")


def _no_job(name: str) -> Meaning:
    """What it means that there is no job to be had: unless it is wrong by REST too, REST will tell what is wrong."""

    def meaning(refused: Refused) -> ConnectorError | None:
        return _not_for_bulk(name) if refused.status in REFUSED and refused.code not in REFUSALS else None

    return meaning


def _completed(reader: Reader, name: str, job: str) -> int | None:
    """Wait until the job is done; the number of its rows, None where it does not say."""
    wait, waited = FIRST_WAIT, 0.0
    while waited < PATIENCE:
        said = reader.request(name, "GET", f"{JOBS}/{job}", _job, _vanished(name))
        if said["state"] == COMPLETE:
            return _rows_of(said)
        if said["state"] not in AT_WORK:
            raise _failed(name, said)
        sleep(wait)
        waited += wait
        wait = min(LONGEST_WAIT, 2 * wait)
    raise RetryableError(f"{TITLE} did not finish the bulk query of {name} in four hours; run again later.")


def _pages(reader: Reader, asked: Asked, job: str, total: int | None) -> Iterator[list[dict[str, Any]]]:
    served, locator, begun = 0, "", set[str]()
    while True:
        params: dict[str, str | int] = {"maxRecords": PAGE} | ({"locator": locator} if locator else {})
        path = f"{JOBS}/{job}/results"
        results = reader.request(
            asked.name, "GET", path, lambda answer: _results(answer, asked, total), _vanished(asked.name), params=params
        )
        served, locator = served + results.count, results.locator
        more = locator not in NO_LOCATOR
        of = served if total is None else total
        if served > of or (results.count == 0 if more else served < of) or begins_again(results.first, begun):
            raise short(asked.name, served, of)
        rows = _rows(results.body, asked)
        while some := list(islice(rows, AT_ONCE)):
            yield some
        if not more:
            return


def _discard(reader: Reader, name: str, job: str, *, done: bool) -> None:
    """Abort what is not done, and delete the job; one that stays is deleted by Salesforce after seven days."""
    with suppress(ConnectorError):
        if not done:
            reader.request(name, "PATCH", f"{JOBS}/{job}", _job, json={"state": "Aborted"})
    with suppress(ConnectorError):
        reader.request(name, "DELETE", f"{JOBS}/{job}", lambda _: None)


def _vanished(name: str) -> Meaning:
    """What it means that there is no such job: asking again at once will not bring it back."""
    lost = RetryableError(f"{TITLE} has lost the bulk query of {name}; run again.", http.LONGEST_ASKED + 1)
    return by_code(NOT_FOUND=lost)


def _failed(name: str, said: Mapping[str, Any]) -> RetryableError:
    code = FAILURE_CODE.match(str(said.get("errorMessage") or ""))
    shown = f" ({code[0].strip()})" if code else ""
    return RetryableError(
        f"{TITLE} ended the bulk query of {name} as {said['state']}{shown}. Nothing of it was kept; run again "
        "later, or set a higher bulk_above to read by REST."
    )


def _job(answer: http.Answer) -> dict[str, Any]:
    """A job's state; raises ``ValueError`` for anything else."""
    said = answer.said()
    match said:
        case {"id": str(job), "state": str()} if job.isalnum():
            _rows_of(said)
            return said
    raise ValueError


def _rows_of(said: Mapping[str, Any]) -> int | None:
    number = said.get("numberRecordsProcessed")
    return None if number is None else int(number)


def _results(answer: http.Answer, asked: Asked, total: int | None) -> Results:
    """A page, read through once; raises ``ValueError`` where it is cut off or something else.

    Where neither the page nor the job (``total``) counts the rows, nothing tells a whole page from the half of it.
    """
    headers = {name.lower(): value for name, value in answer.headers.items()}
    counted = headers.get("sforce-numberofrecords")
    count, first = 0, ""
    try:
        for count, row in enumerate(_rows(answer.body, asked), 1):  # noqa: B007 - the last number is the count
            first = first or row["Id"]
    except csv.Error:
        raise ValueError from None
    if (counted is None and total is None) or (counted is not None and count != int(counted)):
        raise ValueError
    return Results(answer.body, count, first, headers.get("sforce-locator", ""))


def _rows(body: bytes, asked: Asked) -> Iterator[dict[str, Any]]:
    """The rows of a page out of the bytes of its CSV."""
    csv.field_size_limit(max(LONGEST_CELL, csv.field_size_limit()))
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(body), "utf-8-sig", newline=""), strict=True)
    columns = next(lines, [])
    if sorted(columns) != sorted(asked.columns):
        raise ValueError
    return (row_of_csv(asked, dict(zip(columns, cells, strict=True))) for cells in lines)
