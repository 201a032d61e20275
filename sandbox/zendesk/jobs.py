"""Zendesk's background jobs: queued at once, done a moment later, with a result for every row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.store import utc_now
from sandbox.web import Endpoint
from sandbox.zendesk.exports import base_of
from sandbox.zendesk.shapes import Json, not_found

SECONDS_TO_COMPLETION = 0.05


@dataclass
class Jobs:
    """The jobs of this account."""

    _jobs: dict[str, Json] = field(default_factory=dict)
    _pending: list[asyncio.TimerHandle] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def reset(self) -> None:
        """Forget all jobs; those not done yet are never done."""
        for timer in self._pending:
            timer.cancel()
        self._pending.clear()
        self._jobs.clear()

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
        """
        job_id = f"V3-{next(self._numbers):032x}"
        job = {"id": job_id, "total": rows, "progress": None, "status": "queued", "message": None, "results": None}
        self._jobs[job_id] = job

        def complete() -> None:
            results = work()
            message = f"Completed at {utc_now():%Y-%m-%d %H:%M:%S} +0000"
            job.update(progress=rows, status="completed", message=message, results=results)

        self._pending.append(asyncio.get_running_loop().call_later(SECONDS_TO_COMPLETION, complete))
        return _shown(job, request)

    async def _read(self, request: Request) -> Response:
        job = self._jobs.get(request.path_params["job_id"].removesuffix(".json"))
        if job is None:
            raise not_found()
        return _shown(job, request)


def _shown(job: Json, request: Request) -> Response:
    url = f"{base_of(request)}/api/v2/job_statuses/{job['id']}.json"
    return JSONResponse({"job_status": {"id": job["id"], "url": url} | job})
