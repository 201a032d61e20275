"""What a test can do to the organisation that the API cannot: purge, merge, hide, let jobs fail, end sessions.

The endpoints lie under /_sandbox/salesforce/; no real organisation has them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.control import Control
from sandbox.salesforce.bulk import Jobs
from sandbox.salesforce.deletions import DeletionLog
from sandbox.salesforce.logins import Logins
from sandbox.salesforce.organisation import Organisation
from sandbox.store import Record
from sandbox.web import Endpoint, Refusal, json_object

PATH = "/salesforce"
MALFORMED = Refusal(400, {"error": "The body must be a JSON object."})


@dataclass(frozen=True)
class Hooks:
    """The endpoints, and what they act on."""

    organisation: Organisation
    log: DeletionLog
    jobs: Jobs
    logins: Logins

    def endpoints(self, prefix: str) -> list[Endpoint]:
        """The endpoints below the path of the control interface."""
        actions: Mapping[str, Callable[[Request], Awaitable[None]]] = {
            "/purge/{table}/{record_id}": self._purge,
            "/restore/{table}/{record_id}": self._restore,
            "/merge/{table}/{record_id}/{kept}": self._merge,
            "/hide": self._hide,
            "/deletions": self._deletions,
            "/jobs": self._trouble,
            "/forget-jobs": self._forget_jobs,
            "/end-sessions": self._end_sessions,
        }
        return [
            Endpoint("GET", prefix + PATH + "/jobs", self._open_jobs, open_to_all=True),
            *(
                Endpoint("POST", prefix + PATH + path, _answering(action), open_to_all=True)
                for path, action in actions.items()
            ),
        ]

    async def _purge(self, request: Request) -> None:
        record, body = self._record(request), await json_object(request, MALFORMED)
        if record.deleted is None:
            self.organisation.store.delete(record)
        if "at" in body:
            record.deleted = datetime.fromisoformat(body["at"])
        self.organisation.purged.add(record.record_id)

    async def _restore(self, request: Request) -> None:
        record = self._record(request)
        self.organisation.store.write(record, {})
        record.deleted = None

    async def _merge(self, request: Request) -> None:
        record = self._record(request)
        self.organisation.store.delete(record)
        record.fields["MasterRecordId"] = request.path_params["kept"]

    async def _hide(self, request: Request) -> None:
        self.organisation.hidden = frozenset((await json_object(request, MALFORMED))["names"])

    async def _deletions(self, request: Request) -> None:
        body = await json_object(request, MALFORMED)
        self.log.known_since = datetime.fromisoformat(body["known_since"]) if body.get("known_since") else None
        self.log.most_ids = body.get("most_ids", self.log.most_ids)

    async def _trouble(self, request: Request) -> None:
        body = await json_object(request, MALFORMED)
        self.jobs.outcome = body.get("outcome", self.jobs.outcome)
        self.jobs.refused = tuple(body.get("refused", ()))

    async def _forget_jobs(self, _: Request) -> None:
        self.jobs.forget()

    async def _end_sessions(self, _: Request) -> None:
        self.logins.end()

    async def _open_jobs(self, _: Request) -> Response:
        return JSONResponse({"jobs": self.jobs.open_jobs()})

    def _record(self, request: Request) -> Record:
        record = self.organisation.store.find(request.path_params["table"], request.path_params["record_id"])
        if record is None:
            raise Refusal(404, {"error": "There is no such record."})
        return record


def _answering(action: Callable[[Request], Awaitable[None]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        await action(request)
        return Response(status_code=204)

    return answer


class SalesforceControl(Control):
    """The control interface of the Salesforce organisation, with what only it can do."""

    @classmethod
    def of(cls, control: Control) -> SalesforceControl:
        """The same server's interface."""
        return cls(control.url, control.authority)

    def purge(self, table: str, record_id: str, at: datetime | None = None) -> None:
        """Delete a record and empty the recycle bin; ``at``: when it was deleted, now unless said."""
        self._act(f"/purge/{table}/{record_id}", {"at": at.isoformat()} if at else {})

    def restore(self, table: str, record_id: str) -> None:
        """Take a record out of the recycle bin."""
        self._act(f"/restore/{table}/{record_id}")

    def merge(self, table: str, record_id: str, kept: str) -> None:
        """Merge a record into another one, which is kept."""
        self._act(f"/merge/{table}/{record_id}/{kept}")

    def hide(self, *names: str) -> None:
        """Take from the user the right to see objects (``Lead``) and fields (``Contact.Email``), and only these."""
        self._act("/hide", {"names": names})

    def deletions(self, known_since: datetime | None = None, most_ids: int | None = None) -> None:
        """Purge the log of deletions up to a moment, or let it list fewer ids."""
        limit = {} if most_ids is None else {"most_ids": most_ids}
        self._act("/deletions", {"known_since": known_since.isoformat() if known_since else None, **limit})

    def trouble_jobs(self, outcome: str = "JobComplete", refused: tuple[str, ...] = ()) -> None:
        """How the next query jobs end, and the objects for which there are none."""
        self._act("/jobs", {"outcome": outcome, "refused": refused})

    def forget_jobs(self) -> None:
        """Lose all query jobs."""
        self._act("/forget-jobs")

    def end_sessions(self) -> None:
        """End all sessions, those of every client: only a new login opens one."""
        self._act("/end-sessions")

    def leave_calls(self, number: int) -> None:
        """Leave so many API calls for the rest of the day."""
        self.limit("day", number, 86_400)

    def open_jobs(self) -> list[str]:
        """The query jobs that nobody has deleted."""
        found: list[str] = self._call("GET", PATH + "/jobs")["jobs"]
        return found

    def _act(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        self._call("POST", PATH + path, body or {})
