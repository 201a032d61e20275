"""The Salesforce organisation as a whole: sessions, versions, limits, queries and cursors, records, deletions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from itertools import count

from starlette.requests import Request
from starlette.responses import JSONResponse as PlainJSONResponse
from starlette.responses import Response

from sandbox.admin import PREFIX
from sandbox.limits import Limit, Limits
from sandbox.salesforce.answers import no_calls_left, not_found, refusal
from sandbox.salesforce.bulk import Jobs
from sandbox.salesforce.deletions import DeletionLog
from sandbox.salesforce.hooks import Hooks
from sandbox.salesforce.logins import Logins
from sandbox.salesforce.organisation import Organisation
from sandbox.salesforce.query import Result, run, shown
from sandbox.salesforce.schema import SOBJECTS, Field, SObject
from sandbox.salesforce.soql import parse
from sandbox.salesforce.writes import update, upsert
from sandbox.store import Record, Tables
from sandbox.web import Endpoint, Refusal, json_object

VERSIONS = ("58.0", "59.0", "60.0", "61.0", "62.0", "63.0", "64.0", "65.0")
DATA = "/services/data"
PAGE, SMALLEST_PAGE = 2_000, 200
OPEN_CURSORS = 10
LIMITS = {"day": Limit(15_000, 86_400)}
LONGEST_URI = 16_384
MALFORMED = refusal(400, "JSON_PARSER_ERROR", "The HTTP entity body must be a JSON object")
Handler = Callable[[Request], Awaitable[Response]]


class JSONResponse(PlainJSONResponse):
    """JSON as Salesforce labels it."""

    media_type = "application/json;charset=UTF-8"


class Salesforce:
    """One Salesforce organisation."""

    name = "salesforce"

    def __init__(self, tables: Tables, public_key: str, *, strict: bool = False) -> None:
        self._organisation = Organisation(tables)
        self.store = self._organisation.store
        self._logins = Logins(public_key)
        self._log = DeletionLog(self._organisation)
        self._jobs = Jobs(self._organisation)
        self._hooks = Hooks(self._organisation, self._log, self._jobs, self._logins)
        self.limits = Limits(LIMITS, enforced=strict)
        self._cursors: OrderedDict[str, Result] = OrderedDict()
        self._numbers = count(1)
        self.endpoints = [*self._hooks.endpoints(PREFIX), *self._logins.endpoints(), *self._data_endpoints()]

    def _data_endpoints(self) -> list[Endpoint]:
        version = DATA + "/{version}"
        sobject = version + "/sobjects/{sobject}"
        collections = version + "/composite/sobjects"
        reads: list[tuple[str, Handler]] = [
            (f"{version}/limits", self._limits),
            (f"{version}/query", self._query),
            (f"{version}/queryAll", self._query_all),
            (version + "/query/{locator}", self._query_more),
            (version + "/queryAll/{locator}", self._query_more),
            (f"{version}/sobjects", self._describe_all),
            (f"{sobject}/describe", self._describe),
            (f"{sobject}/deleted", self._deleted),
            (sobject + "/{record_id}", self._read),
            (sobject + "/{field}/{value}", self._read_by_external_id),
        ]
        return [
            *(Endpoint("GET", DATA + slash, self._versions, open_to_all=True) for slash in ("", "/")),
            *(Endpoint("GET", path + slash, handler) for path, handler in reads for slash in ("", "/")),
            *self._jobs.endpoints(version),
            Endpoint("PATCH", collections, self._update, writes=True),
            Endpoint("PATCH", collections + "/{sobject}/{field}", self._upsert, writes=True),
        ]

    def authorize(self, request: Request, endpoint: Endpoint) -> None:
        """An open session, a version that exists, an address and a body as they have to be."""
        if len(f"{request.url.path}?{request.url.query}") > LONGEST_URI:
            raise refusal(414, "URI_TOO_LONG", "The length of the URI exceeds the limit of 16384 bytes")
        self._logins.check(request)
        if request.path_params["version"].removeprefix("v") not in VERSIONS:
            raise not_found()
        kind = request.headers.get("content-type", "").partition(";")[0]
        if endpoint.method in ("POST", "PATCH") and kind != "application/json":
            raise refusal(415, "UNSUPPORTED_MEDIA_TYPE", f"MediaType of '{kind}' is not supported by this resource")

    def admit(self, endpoint: Endpoint) -> None:
        """The day's calls; logins are none."""
        if not endpoint.open_to_all and self.limits.exceeded("day"):
            raise no_calls_left()

    def headers(self, endpoint: Endpoint) -> Mapping[str, str]:
        """The day's calls, on everything but logins."""
        day = self.limits["day"]
        return {} if endpoint.open_to_all else {"Sforce-Limit-Info": f"api-usage={day.used}/{day.limit.most}"}

    def unknown(self, request: Request, status: int) -> Refusal:
        """No such path, or not with this method."""
        if status == 405:  # noqa: PLR2004
            message = f"HTTP Method '{request.method}' not allowed. Allowed are HEAD,GET"
            return refusal(405, "METHOD_NOT_ALLOWED", message)
        return not_found()

    def reset(self) -> None:
        """Records and limits as at the start; cursors are closed, jobs are gone."""
        self.limits.reset()
        self._organisation.reset()
        self._logins.reset()
        self._cursors.clear()
        self._log.reset()
        self._jobs.reset()

    def new_id(self, table: str) -> str:
        """An id that no record has."""
        return self._organisation.new_id(table)

    async def _versions(self, _: Request) -> Response:
        return JSONResponse([{"label": f"API {one}", "url": f"{DATA}/v{one}", "version": one} for one in VERSIONS])

    async def _limits(self, _: Request) -> Response:
        day = self.limits["day"]
        calls = {"Max": day.limit.most, "Remaining": day.remaining}
        return JSONResponse({"DailyApiRequests": calls, "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000}})

    async def _query(self, request: Request) -> Response:
        return self._answered(request, with_deleted=False)

    async def _query_all(self, request: Request) -> Response:
        return self._answered(request, with_deleted=True)

    def _answered(self, request: Request, *, with_deleted: bool) -> Response:
        query = parse(request.query_params.get("q", ""))
        result = run(self._organisation, query, with_deleted=with_deleted)
        if not query.fields:
            return JSONResponse({"totalSize": len(result.records), "done": True, "records": []})
        return self._page(request, result, f"0r8sandbox{next(self._numbers):05}", 0)

    async def _query_more(self, request: Request) -> Response:
        locator, _, place = request.path_params["locator"].rpartition("-")
        if locator not in self._cursors or not place.isdigit():
            raise refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(request, self._cursors[locator], locator, int(place))

    def _page(self, request: Request, result: Result, locator: str, first: int) -> Response:
        version, end = request.path_params["version"], first + _page_size(request)
        done = end >= len(result.records)
        body: dict[str, object] = {"totalSize": len(result.records), "done": done}
        if not done:
            self._cursors[locator] = result
            self._cursors.move_to_end(locator)
            while len(self._cursors) > OPEN_CURSORS:
                self._cursors.popitem(last=False)
            body["nextRecordsUrl"] = f"{DATA}/{version}/query/{locator}-{end}"
        records = result.records[first:end]
        return JSONResponse(body | {"records": [shown(self._organisation, result, one, version) for one in records]})

    async def _describe_all(self, _: Request) -> Response:
        visible = filter(None, map(self._organisation.visible, SOBJECTS))
        summaries = [one.summary() for one in visible]
        return JSONResponse({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": summaries})

    async def _describe(self, request: Request) -> Response:
        return JSONResponse(self._sobject(request).described())

    async def _deleted(self, request: Request) -> Response:
        start, end = (request.query_params.get(name) for name in ("start", "end"))
        return JSONResponse(self._log.answer(self._sobject(request), start, end))

    async def _read(self, request: Request) -> Response:
        sobject = self._sobject(request)
        record = self._organisation.by_id(sobject, request.path_params["record_id"])
        if record is None:
            raise not_found()
        return self._shown(request, sobject, record)

    async def _read_by_external_id(self, request: Request) -> Response:
        sobject = self._sobject(request)
        field = _external_id(sobject, request.path_params["field"])
        value = request.path_params["value"]
        record = self._organisation.by_external_id(sobject, field, value)
        if record is None:
            raise not_found()
        return self._shown(request, sobject, record)

    def _shown(self, request: Request, sobject: SObject, record: Record) -> Response:
        if record.deleted is not None:
            raise refusal(404, "ENTITY_IS_DELETED", "entity is deleted")
        names = [name for name in request.query_params.get("fields", "").split(",") if name]
        fields = tuple(_known_field(sobject, name) for name in names) or sobject.fields
        return JSONResponse(self._organisation.shown(sobject, record, fields, request.path_params["version"]))

    async def _update(self, request: Request) -> Response:
        return JSONResponse(update(self._organisation, await json_object(request, MALFORMED)))

    async def _upsert(self, request: Request) -> Response:
        sobject, name = self._sobject(request), request.path_params["field"]
        key = sobject.find_field("Id") if name.lower() == "id" else _external_id(sobject, name)
        if key is None:
            raise not_found()
        return JSONResponse(upsert(self._organisation, sobject, key, await json_object(request, MALFORMED)))

    def _sobject(self, request: Request) -> SObject:
        found = self._organisation.visible(request.path_params["sobject"])
        if found is None:
            raise not_found()
        return found


def _external_id(sobject: SObject, name: str) -> Field:
    field = sobject.find_field(name)
    if field is None or not field.external_id:
        message = f"Provided external ID field does not exist or is not accessible: {name}"
        raise refusal(404, "NOT_FOUND", message)
    return field


def _known_field(sobject: SObject, name: str) -> Field:
    field = sobject.find_field(name)
    if field is None:
        raise refusal(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
    return field


def _page_size(request: Request) -> int:
    """The page size that the client asked for in a header, within what Salesforce allows."""
    asked = request.headers.get("sforce-query-options", "").replace(" ", "").removeprefix("batchSize=")
    return max(SMALLEST_PAGE, min(PAGE, int(asked))) if asked.isdigit() else PAGE
