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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from time import sleep
from typing import Any, Final

from connectors import http
from connectors.errors import ConnectorError, RetryableError
from connectors.salesforce_describe import Asked
from connectors.salesforce_login import API_VERSION, TITLE
from connectors.salesforce_query import ATTRIBUTES, Reader, begins_again, select, short

JOBS: Final = "jobs/query"
PAGE: Final = 20_000  # rows; the text of one page is in memory
AT_ONCE: Final = 2_000  # rows that are taken out of it at a time
FIRST_WAIT, LONGEST_WAIT, PATIENCE = 1.0, 30.0, 4 * 3600.0
AT_WORK: Final = ("UploadComplete", "InProgress")
COMPLETE: Final = "JobComplete"
NOT_FOR_BULK: Final = ("INVALIDENTITY", "FEATURENOTENABLED", "FUNCTIONALITY_NOT_ENABLED", "API_DISABLED_FOR_ORG")
NO_LOCATOR: Final = ("", "null")
LONGEST_CELL: Final = 1_000_000  # a long text area of Salesforce has 131,072 characters
FAILURE_CODE: Final = re.compile(r"[A-Za-z_ ]{1,60}(?=:|$)")


class NotForBulkError(ConnectorError):
    """The Bulk API does not offer this object, or not to this user: it has to be read by REST."""


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
        NotForBulkError: The object is not offered there; nothing was served.
        RetryableError: The job failed, was aborted or vanished, or its pages are not all of it.
    """
    body = {
        "operation": "queryAll",
        "query": select(asked.name, asked.columns, rest),
        "contentType": "CSV",
        "columnDelimiter": "COMMA",
        "lineEnding": "LF",
    }
    refusals = dict.fromkeys(NOT_FOR_BULK, NotForBulkError(f"{TITLE} does not offer {asked.name} to the Bulk API."))
    job = reader.request(asked.name, "POST", JOBS, _job, refusals, json=body)["id"]
    done = False
    try:
        total = _completed(reader, asked.name, job)
        done = True
        yield from _pages(reader, asked, job, total)
    finally:
        _discard(reader, asked.name, job, done=done)


def _completed(reader: Reader, name: str, job: str) -> int:
    """Wait until the job is done; the number of its rows."""
    wait, waited = FIRST_WAIT, 0.0
    while waited < PATIENCE:
        said = reader.request(name, "GET", f"{JOBS}/{job}", _job, _vanished(name))
        if said["state"] == COMPLETE:
            return int(said["numberRecordsProcessed"])
        if said["state"] not in AT_WORK:
            raise _failed(name, said)
        sleep(wait)
        waited += wait
        wait = min(LONGEST_WAIT, 2 * wait)
    raise RetryableError(f"{TITLE} did not finish the bulk query of {name} in four hours; run again later.")


def _pages(reader: Reader, asked: Asked, job: str, total: int) -> Iterator[list[dict[str, Any]]]:
    served, locator, begun = 0, "", set[str]()
    while True:
        params: dict[str, str | int] = {"maxRecords": PAGE} | ({"locator": locator} if locator else {})
        path = f"{JOBS}/{job}/results"
        results = reader.request(
            asked.name, "GET", path, lambda answer: _results(answer, asked), _vanished(asked.name), params=params
        )
        served, locator = served + results.count, results.locator
        more = locator not in NO_LOCATOR
        first = [{"Id": results.first}] if results.count else []
        if served > total or (not first if more else served < total) or begins_again(first, begun):
            raise short(asked.name, served, total)
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


def _vanished(name: str) -> Mapping[str, ConnectorError]:
    """What it means that there is no such job: asking again at once will not bring it back."""
    lost = RetryableError(f"{TITLE} has lost the bulk query of {name}; run again.", http.LONGEST_ASKED + 1)
    return {"NOT_FOUND": lost}


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
        case {"id": str(job), "state": str(state)} if job.isalnum():
            if state == COMPLETE and not isinstance(said.get("numberRecordsProcessed"), int):
                raise ValueError
            return said
    raise ValueError


def _results(answer: http.Answer, asked: Asked) -> Results:
    """A page, read through once; raises ``ValueError`` where it is cut off or something else."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    count, first = 0, ""
    try:
        for count, row in enumerate(_rows(answer.body, asked), 1):  # noqa: B007 - the last number is the count
            first = first or row["Id"]
    except (csv.Error, InvalidOperation, KeyError):
        raise ValueError from None
    if count != int(headers.get("sforce-numberofrecords", "")):
        raise ValueError
    return Results(answer.body, count, first, headers.get("sforce-locator", ""))


def _rows(body: bytes, asked: Asked) -> Iterator[dict[str, Any]]:
    """The rows of a page out of the bytes of its CSV."""
    csv.field_size_limit(max(LONGEST_CELL, csv.field_size_limit()))
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(body), "utf-8", newline=""), strict=True)
    columns = next(lines, [])
    if sorted(columns) != sorted(asked.columns):
        raise ValueError
    return (_row(asked, columns, cells) for cells in lines)


def _row(asked: Asked, columns: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    """A row as REST serves it: texts become values, columns of related records are nested."""
    texts = dict(zip(columns, cells, strict=True))
    url = f"/services/data/v{API_VERSION}/sobjects/{asked.name}/{texts['Id']}"
    row: dict[str, Any] = {ATTRIBUTES: {"type": asked.name, "url": url}}
    for column, kind in asked.kinds.items():
        relationship, _, name = column.rpartition(".")
        value = _value(kind, texts[column])
        if not relationship:
            row[column] = value
        else:
            row[relationship] = _related(row.get(relationship), name, value)
    return row


def _related(before: dict[str, Any] | None, name: str, value: Any) -> dict[str, Any] | None:
    """REST serves null where nothing is related; here that is known by nothing of it being filled."""
    return before if before is None and value is None else {**(before or {}), name: value}


def _value(kind: str, text: str) -> Any:
    if text == "":
        return None
    match kind:
        case "boolean":
            return {"true": True, "false": False}[text.lower()]
        case "int" | "long":
            return int(Decimal(text))
        case "double" | "currency" | "percent":
            return float(Decimal(text))
        case "datetime":
            return re.sub("Z$", "+0000", text)
    return text
