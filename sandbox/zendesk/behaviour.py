"""What makes a Zendesk account harder to read than an idle one: on where the server is strict, or for a test."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.web import Endpoint, Refusal, json_object

PATH = "/_sandbox/behaviour"
MALFORMED = Refusal(400, {"error": "The body must be an object of names and whole numbers."})


@dataclass
class Behaviour:
    """How the account behaves.

    ``export_delay``: exports leave out what changed in the last so many seconds (really 60). ``exports_per_minute``:
    more requests to exports than these are refused (really 10; 0: any number). ``events_forbidden``: the credentials
    may not read ticket events. ``job_milliseconds``: how long a job takes.
    """

    export_delay: int = 0
    exports_per_minute: int = 0
    events_forbidden: int = 0
    job_milliseconds: int = 50

    def __post_init__(self) -> None:
        self._at_start = asdict(self)

    def reset(self) -> None:
        """As at the start."""
        for name, value in self._at_start.items():
            setattr(self, name, value)

    def endpoints(self) -> list[Endpoint]:
        """Where a test changes it: PATCH with some of the names. No real account has that."""
        return [Endpoint("PATCH", PATH, self._change, open_to_all=True)]

    async def _change(self, request: Request) -> Response:
        given = await json_object(request, MALFORMED)
        if not given.keys() <= {one.name for one in fields(self)} or not all(
            type(one) is int for one in given.values()
        ):
            raise MALFORMED
        for name, value in given.items():
            setattr(self, name, value)
        return JSONResponse({one.name: getattr(self, one.name) for one in fields(self)})
