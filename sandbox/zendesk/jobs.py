"""Zendesk's background jobs: queued at once, done a moment later, told about for an hour or a hundred jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from time import monotonic

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.store import utc_now
from sandbox.web import Endpoint
from sandbox.zendesk.behaviour import Behaviour
from sandbox.zendesk.exports import base_of
from sandbox.zendesk.shapes import Json, not_found, refusal

SECONDS_TO_COMPLETION = Behaviour.job_milliseconds / 1_000  # unless a test makes it longer
MOST_QUEUED, MOST_KEPT, SECONDS_KEPT = 30, 100, 3_600.0


@dataclass
class Jobs:
    """The jobs of this account."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    clock: Callable[[], float] = monotonic
    _ended_at: dict[str, float] = field(default_factory=dict)
    _jobs: dict[str, Json] = field(default_factory=dict)
    _pending: list[asyncio.TimerHandle] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def reset(self) -> None:
        """Forget all jobs; those not done yet are never done."""
        for timer in self._pending:
            timer.cancel()
        self._pending.clear()
        self._jobs.clear()
        self._ended_at.clear()

    def endpoints(self) -> list[Endpoint]:
        """The endpoint that tells how a job stands."""
        path = "/api/v2/job_statuses/{job_id}"
        return [Endpoint("GET", path, self._read)]

    def start(self, request: Request, rows: int, work: Callable[[], list[Json]]) -> Response:
        """Queue a job.

        Args:
            request: The request that asks for it.
            rows: How many rows it has.
            work: Does it all and returns a result per row.

        Returns:
            The answer that names the job.

        Raises:
            Refusal: Too many jobs wait.
        """
        if sum(job["status"] == "queued" for job in self._jobs.values()) >= MOST_QUEUED:
            raise refusal(429, "TooManyJobs", f"There may be at most {MOST_QUEUED} jobs queued or running")
        job_id = f"V3-{next(self._numbers):032x}"
        job = {"id": job_id, "total": rows, "progress": None, "status": "queued", "message": None, "results": None}
        self._jobs[job_id] = job

        def complete() -> None:
            results = work()
            message = f"Completed at {utc_now():%Y-%m-%d %H:%M:%S} +0000"
            job.update(progress=rows, status="completed", message=message, results=results)
            self._ended_at[job_id] = self.clock()

        delay = self.behaviour.job_milliseconds / 1_000
        self._pending.append(asyncio.get_running_loop().call_later(delay, complete))
        return _shown(job, request)

    def _forget(self) -> None:
        """Drop what ended too long ago, and all but the latest jobs."""
        now = self.clock()
        old = [job_id for job_id, ended in self._ended_at.items() if now - ended > SECONDS_KEPT]
        for job_id in {*old, *list(self._ended_at)[:-MOST_KEPT]}:
            del self._jobs[job_id], self._ended_at[job_id]

    async def _read(self, request: Request) -> Response:
        self._forget()
        job = self._jobs.get(request.path_params["job_id"].removesuffix(".json"))
        if job is None:
            raise not_found()
        return _shown(job, request)


def _shown(job: Json, request: Request) -> Response:
    url = f"{base_of(request)}/api/v2/job_statuses/{job['id']}.json"
    return JSONResponse({"job_status": {"id": job["id"], "url": url} | job})
