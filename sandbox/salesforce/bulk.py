"""Query jobs of the Bulk API 2.0: created, worked on from poll to poll, read as pages of CSV, aborted, deleted."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.salesforce.answers import not_found, refusal
from sandbox.salesforce.ids import salesforce_id
from sandbox.salesforce.organisation import Organisation, stamp
from sandbox.salesforce.query import Result, run, shown
from sandbox.salesforce.soql import parse
from sandbox.web import Endpoint, json_object

PREFIX = "750"
MOST_ROWS = 50_000
KEPT = timedelta(days=7)
MALFORMED = refusal(400, "JSON_PARSER_ERROR", "The HTTP entity body must be a JSON object")
# Key of a request -> what may stand there; the first is what it is when nothing is said.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "contentType": ("CSV",),
    "columnDelimiter": ("COMMA",),
    "lineEnding": ("LF",),
}
OPERATIONS = {"query": False, "queryAll": True}
AT_WORK = ("UploadComplete", "InProgress")


@dataclass
class Job:
    """One query job; ``result`` is there once it is complete."""

    job_id: str
    body: dict[str, str]
    created: datetime
    version: str
    state: str = "UploadComplete"
    error: str | None = None
    result: Result | None = None


@dataclass
class Jobs:
    """The jobs of an organisation. ``outcome`` is the state in which the next ones end, ``refused`` are objects."""

    organisation: Organisation
    outcome: str = "JobComplete"
    refused: tuple[str, ...] = ()
    _jobs: dict[str, Job] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def endpoints(self, version: str) -> list[Endpoint]:
        """The endpoints below the path of a version."""
        jobs = version + "/jobs/query"
        one = jobs + "/{job_id}"
        declared: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("POST", jobs, self._create),
            ("GET", one, self._state),
            ("PATCH", one, self._abort),
            ("DELETE", one, self._delete),
            ("GET", one + "/results", self._results),
        ]
        return [Endpoint(method, path, handler) for method, path, handler in declared]

    def reset(self) -> None:
        """No jobs, and no trouble with the next ones."""
        self._jobs.clear()
        self.outcome, self.refused = "JobComplete", ()

    def forget(self) -> None:
        """Lose all jobs, as Salesforce does after seven days."""
        self._jobs.clear()

    def open_jobs(self) -> list[str]:
        """The ids of the jobs that nobody has deleted."""
        return list(self._jobs)

    async def _create(self, request: Request) -> Response:
        body = await json_object(request, MALFORMED)
        if body.get("operation") not in OPERATIONS or not isinstance(body.get("query"), str):
            raise refusal(400, "INVALIDJOB", "A query job needs an operation (query, queryAll) and a query")
        if strange := body.keys() - {*CHOICES, "operation", "query"}:
            raise refusal(400, "JSON_PARSER_ERROR", f"Unrecognized field '{min(strange)}'")
        for name, choices in CHOICES.items():
            if body.setdefault(name, choices[0]) not in choices:
                raise refusal(400, "INVALIDJOB", f"{name} can be {', '.join(choices)} here")
        query = parse(body["query"])
        if not query.fields:
            raise refusal(400, "API_ERROR", "Aggregate functions are not supported in bulk queries")
        found = run(self.organisation, query, with_deleted=True)  # names are checked before the job is queued
        if any(column.kind == "address" for column in found.columns):
            raise refusal(400, "API_ERROR", "Selecting compound data not supported in Bulk Query")
        if found.sobject.name in self.refused:
            raise refusal(400, "INVALIDENTITY", f"Entity '{found.sobject.name}' is not supported by the Bulk API.")
        job_id = salesforce_id(PREFIX, next(self._numbers))
        created = self.organisation.store.now()
        job = Job(job_id, body | {"object": found.sobject.name}, created, request.path_params["version"])
        self._jobs[job_id] = job
        return JSONResponse(_shown(job))

    async def _state(self, request: Request) -> Response:
        """Every poll takes the job a step further; what it reads is what is there at its end."""
        job = self._job(request)
        if job.state == "InProgress":
            job.state = self.outcome
            if job.state == "JobComplete":
                with_deleted = OPERATIONS[job.body["operation"]]
                job.result = run(self.organisation, parse(job.body["query"]), with_deleted=with_deleted)
            else:
                job.error = "QUERY_TIMEOUT: Your query request was running for too long."
        elif job.state == "UploadComplete":
            job.state = "InProgress"
        return JSONResponse(_shown(job))

    async def _abort(self, request: Request) -> Response:
        job, body = self._job(request), await json_object(request, MALFORMED)
        if body != {"state": "Aborted"} or job.state not in AT_WORK:
            raise refusal(400, "INVALIDJOBSTATE", f"A job in the state {job.state} can not become that")
        job.state = "Aborted"
        return JSONResponse(_shown(job))

    async def _delete(self, request: Request) -> Response:
        job = self._job(request)
        if job.state in AT_WORK:
            raise refusal(400, "INVALIDJOBSTATE", "Abort the job before deleting it")
        del self._jobs[job.job_id]
        return Response(status_code=204)

    async def _results(self, request: Request) -> Response:
        job = self._job(request)
        if job.version != request.path_params["version"]:
            raise refusal(409, "API_ERROR", f"The job was created with the version {job.version}")
        if job.result is None:
            message = f"can only download query results of completed jobs. Current status: {job.state}"
            raise refusal(412, "JOB_NOT_COMPLETE", message)
        asked = request.query_params.get("maxRecords", str(MOST_ROWS))
        if not asked.isdigit() or int(asked) < 1:
            raise refusal(400, "INVALIDMAXRECORDS", "maxRecords must be a positive number")
        first = _place(request.query_params.get("locator"))
        end = first + min(int(asked), MOST_ROWS)
        found = job.result.records[first:end]
        rows = [shown(self.organisation, job.result, record, job.version) for record in found]
        headers = {
            "Content-Type": "text/csv",  # Salesforce names no charset
            "Sforce-NumberOfRecords": str(len(rows)),
            "Sforce-Locator": _locator(end) if end < len(job.result.records) else "null",
        }
        paths = [column.path for column in job.result.columns]
        return Response(_csv(paths, rows).encode(), headers=headers)

    def _job(self, request: Request) -> Job:
        job = self._jobs.get(request.path_params["job_id"])
        if job is None or self.organisation.store.now() - job.created > KEPT:
            raise not_found()
        return job


def _shown(job: Job) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": job.job_id,
        "operation": job.body["operation"],
        "object": job.body["object"],
        "createdDate": stamp(job.created),
        "systemModstamp": stamp(job.created),
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": job.body["contentType"],
        "apiVersion": float(job.version.removeprefix("v")),
        "lineEnding": job.body["lineEnding"],
        "columnDelimiter": job.body["columnDelimiter"],
    }
    if job.error:
        body["errorMessage"] = job.error
    if job.result is not None:
        body |= {"numberRecordsProcessed": len(job.result.records), "retries": 0, "totalProcessingTime": 7}
    return body


def _csv(paths: list[tuple[str, ...]], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([".".join(path) for path in paths])
    writer.writerows([[_cell(row, path) for path in paths] for row in rows])
    return text.getvalue()


def _cell(row: dict[str, Any], path: tuple[str, ...]) -> str:
    value: Any = row
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.endswith(".000+0000"):
        return value.replace("+0000", "Z")  # times are written otherwise than in JSON
    return "" if value is None else str(value)


def _locator(place: int) -> str:
    return base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def _place(locator: str | None) -> int:
    if locator is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)))
    except (binascii.Error, ValueError):
        raise refusal(400, "INVALID_LOCATOR", "invalid locator") from None
