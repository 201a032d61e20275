"""Servers that behave as Salesforce does, but not as the sandbox: other addresses, headers, pages, sessions."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from connectors import http
from connectors.base import Stream
from connectors.errors import ConfigError, ConnectorError, RetryableError
from connectors.salesforce import SalesforceSession
from sandbox.salesforce.hooks import SalesforceControl
from tests.connectors.salesforce_access import (
    NO_OVERLAP,
    STREAMS,
    Answer,
    Fault,
    Proxy,
    changing,
    connect,
    proxied,
    pulled,
    records_of,
    refusing,
    saying,
    session_of,
)

ANSWERS = "SurveyQuestionResponse"
JOBS, RESULTS, TOKEN = "/jobs/query", "/results", "/services/oauth2/token"
PLACES = {"the first page": "/queryAll/", "a later page": "/query/0r8", "a job": JOBS, "its results": RESULTS}


@pytest.fixture(autouse=True)
def _no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.salesforce_bulk.sleep", lambda _: None)


@pytest.fixture
def bulk(proxy: Proxy) -> SalesforceSession:
    return session_of(proxy, bulk_above=0)


def ids_of(proxy: Proxy) -> set[str]:
    return set(proxy.sandbox.control["salesforce"].state(ANSWERS))


def ending(control: SalesforceControl) -> Fault:
    """All sessions end before the request is answered; they stay so until somebody logs in again."""

    def fault(forward: Callable[[], Answer]) -> Answer:
        control.end_sessions()
        return forward()

    return fault


# --- sessions ---


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", ["jwt", "client_credentials", "password"])
def test_a_session_that_has_really_ended_is_renewed_once(
    proxy: Proxy, control: SalesforceControl, way: str, place: str
) -> None:
    session = session_of(proxy, way, bulk_above=0 if "jobs" in PLACES[place] or place == "its results" else 20_000)
    proxy.faults.append((PLACES[place], ending(control)))
    assert records_of(pulled(session, ANSWERS)).keys() == ids_of(proxy)
    assert proxy.faults == []
    assert len(proxy.requests("/Soap/") + proxy.requests(TOKEN)) == 2


@pytest.mark.parametrize("place", PLACES)
def test_a_new_session_that_is_refused_as_well_ends_the_pull(proxy: Proxy, place: str) -> None:
    session = session_of(proxy, bulk_above=0 if place in ("a job", "its results") else 20_000)
    expired = refusing(401, "INVALID_SESSION_ID", "Session expired or invalid")
    proxy.faults += [(PLACES[place], expired)] * 2
    with pytest.raises(ConfigError, match="401"):
        pulled(session, ANSWERS)
    assert proxy.faults == []
    assert len(proxy.requests(TOKEN)) == 2


def test_a_login_that_is_refused_in_the_middle_of_a_pull_is_not_repeated(
    proxy: Proxy, control: SalesforceControl, salesforce: SalesforceSession
) -> None:
    proxy.faults += [
        ("/queryAll/", ending(control)),
        (TOKEN, saying('{"error": "invalid_grant", "error_description": "user is inactive"}', 400)),
    ]
    with pytest.raises(ConfigError, match="invalid_grant"):
        pulled(salesforce, ANSWERS)
    assert len(proxy.requests(TOKEN)) == 2


def test_an_organisation_that_has_moved_is_asked_where_the_new_login_says(
    proxy: Proxy, control: SalesforceControl, salesforce: SalesforceSession
) -> None:
    with proxied(proxy.sandbox) as moved:
        at_the_new_place = changing(lambda body: body | {"instance_url": moved.url + "/"})
        proxy.faults += [("/query/0r8", ending(control)), (TOKEN, at_the_new_place)]
        moved.faults.append(("/query/0r8", lambda forward: forward()))
        assert records_of(pulled(salesforce, ANSWERS)).keys() == ids_of(proxy)
        assert moved.faults == []


@pytest.mark.parametrize(
    "said",
    [
        {"error": "unknown_error", "error_description": "retry your request"},
        {"error": "invalid_grant", "error_description": "login rate exceeded"},
    ],
)
def test_a_login_that_is_refused_for_a_while_is_repeated(
    proxy: Proxy, waits: list[float], said: Mapping[str, str]
) -> None:
    proxy.faults.append((TOKEN, saying(json.dumps(said), 400)))
    session_of(proxy).check()
    assert waits == [1.0]


@pytest.mark.parametrize("slash", ["", "/", "/lightning/page/home"])
def test_the_address_of_the_organisation_may_be_that_of_a_page(proxy: Proxy, slash: str) -> None:
    environment = proxy.environment("session")
    connect(environment | {"SALESFORCE_INSTANCE_URL": proxy.url + slash}).check()
    connect(environment | {"SALESFORCE_INSTANCE_URL": proxy.url.removeprefix("https://") + slash}).check()


# --- answers ---


def with_headers(keep: Callable[[str], str | None]) -> Fault:
    """The headers of an answer under other names, or left out."""

    def fault(forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        named = {keep(name): value for name, value in answer.headers.items()}
        return Answer(answer.status, answer.body, {name: value for name, value in named.items() if name})

    return fault


def zipped(forward: Callable[[], Answer]) -> Answer:
    answer = forward()
    return Answer(answer.status, gzip.compress(answer.body), {**answer.headers, "Content-Encoding": "gzip"})


def half_zipped(forward: Callable[[], Answer]) -> Answer:
    answer = zipped(forward)
    return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)


def of_a_file(forward: Callable[[], Answer]) -> Answer:
    """As some programs write CSV: with a mark of its encoding, quotes only where they must be, and other line ends."""
    answer = forward()
    return Answer(answer.status, b"\xef\xbb\xbf" + answer.body.replace(b"\n", b"\r\n"), answer.headers)


OTHERWISE: dict[str, Fault] = {
    "headers in capitals": with_headers(str.upper),
    "headers in small letters": with_headers(str.lower),
    "no header but the locator": with_headers(lambda name: name if name.lower() == "sforce-locator" else None),
    "no header at all after the last page": with_headers(lambda _: None),
    "a zipped page": zipped,
    "a page as files are written": of_a_file,
}


@pytest.mark.parametrize("writing", OTHERWISE)
def test_results_are_read_however_they_are_sent(
    proxy: Proxy, bulk: SalesforceSession, waits: list[float], writing: str
) -> None:
    proxy.faults.append((RESULTS, OTHERWISE[writing]))
    assert records_of(pulled(bulk, ANSWERS)).keys() == ids_of(proxy)
    assert waits == []


def test_half_of_a_zipped_page_is_asked_for_again(proxy: Proxy, bulk: SalesforceSession, waits: list[float]) -> None:
    proxy.faults.append((RESULTS, half_zipped))
    assert records_of(pulled(bulk, ANSWERS)).keys() == ids_of(proxy)
    assert waits == [1.0]


def test_a_cut_page_without_its_number_of_rows_is_seen_by_the_number_of_the_job(
    proxy: Proxy, bulk: SalesforceSession
) -> None:
    def cut_at_a_line(forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        return Answer(answer.status, answer.body[: answer.body.rindex(b'\n"') + 1], {"Sforce-Locator": "null"})

    proxy.faults.append((RESULTS, cut_at_a_line))
    with pytest.raises(RetryableError, match="served 248 of 249"):
        pulled(bulk, ANSWERS)


def counting(number: Any) -> Fault:
    def edit(body: dict[str, Any]) -> dict[str, Any]:
        said = {name: value for name, value in body.items() if name != "numberRecordsProcessed"}
        return said if number is None else said | {"numberRecordsProcessed": number}

    return changing(edit)


def test_a_job_may_tell_its_rows_as_text_or_not_at_all(
    proxy: Proxy, bulk: SalesforceSession, waits: list[float]
) -> None:
    ids = ids_of(proxy)
    for number in (str(len(ids)), None):
        proxy.faults += [(JOBS + "/", lambda forward: forward()), (JOBS + "/", counting(number))]
        assert records_of(pulled(bulk, ANSWERS)).keys() == ids
    assert (proxy.faults, waits) == ([], [])


def test_rows_that_nobody_counts_are_not_taken_on_trust(proxy: Proxy, bulk: SalesforceSession) -> None:
    proxy.faults += [(JOBS + "/", lambda forward: forward()), (JOBS + "/", counting(None))]
    proxy.faults += [(RESULTS, with_headers(lambda _: None))] * http.ATTEMPTS
    with pytest.raises(RetryableError, match="no readable answer"):
        pulled(bulk, ANSWERS)


def test_a_job_of_nothing_has_no_results_to_ask_for(proxy: Proxy, bulk: SalesforceSession) -> None:
    proxy.faults += [(JOBS + "/", lambda forward: forward()), (JOBS + "/", counting(0))]
    assert records_of(pulled(bulk, ANSWERS)) == {}
    assert proxy.requests(RESULTS) == []


def test_a_job_that_is_open_still_is_waited_for(proxy: Proxy, bulk: SalesforceSession) -> None:
    proxy.faults.append((JOBS + "/", changing(lambda body: body | {"state": "Open"})))
    assert records_of(pulled(bulk, ANSWERS)).keys() == ids_of(proxy)


NO_JOB = [
    refusing(400, "API_ERROR", "Selecting compound data not supported in Bulk Query"),
    refusing(400, "LIMIT_EXCEEDED", "Max bulk v2 query jobs (10000) per 24 hrs has been exceeded"),
    refusing(400, "INVALIDENTITY", "Entity 'X' is not supported by the Bulk API."),
    refusing(403, "FUNCTIONALITY_NOT_ENABLED"),
    refusing(404, "NOT_FOUND"),
    saying("<html>", 405),
]


@pytest.mark.parametrize("refusal", NO_JOB)
def test_what_no_job_is_to_be_had_for_comes_by_rest(proxy: Proxy, bulk: SalesforceSession, refusal: Fault) -> None:
    proxy.faults.append((JOBS, refusal))
    assert records_of(pulled(bulk, ANSWERS)).keys() == ids_of(proxy)
    assert proxy.requests(RESULTS) == []


@pytest.mark.parametrize(
    ("refusal", "kind", "says"),
    [
        (refusing(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), RetryableError, "24 hours"),
        (refusing(400, "INVALID_FIELD", "No such column 'X'"), ConfigError, "no field"),
    ],
)
def test_what_would_be_refused_by_rest_too_is_said_at_once(
    proxy: Proxy, bulk: SalesforceSession, refusal: Fault, kind: type[ConnectorError], says: str
) -> None:
    proxy.faults.append((JOBS, refusal))
    with pytest.raises(kind, match=says):
        pulled(bulk, ANSWERS)
    assert proxy.requests("/queryAll") == []


@pytest.mark.parametrize("status", [406, 420])
def test_an_edge_that_is_setting_up_is_asked_again(
    proxy: Proxy, salesforce: SalesforceSession, waits: list[float], status: int
) -> None:
    proxy.faults += [("/queryAll/", saying("<html>setting up</html>", status))]
    assert records_of(pulled(salesforce, ANSWERS)).keys() == ids_of(proxy)
    assert waits == [1.0]


def test_a_row_without_its_deletion_mark_ends_the_pull(proxy: Proxy, salesforce: SalesforceSession) -> None:
    def unmarked(body: dict[str, Any]) -> dict[str, Any]:
        del body["records"][-1]["IsDeleted"]
        return body

    proxy.faults.append(("/queryAll/", changing(unmarked)))
    with pytest.raises(ConnectorError, match="IsDeleted"):
        pulled(salesforce, "Contact")


# --- requests ---


def test_the_largest_pages_are_asked_for(proxy: Proxy) -> None:
    session = connect(proxy.sandbox.environment_for(salesforce="session"))
    sent: list[str] = []
    session._client._http.hooks["response"].append(  # noqa: SLF001  (what is sent stands nowhere else)
        lambda answer, **_: sent.append(answer.request.headers.get("Sforce-Query-Options", ""))
    )
    pulled(session, ANSWERS)
    assert sent[-1] == "batchSize=2000"


def test_moments_stand_in_queries_as_soql_has_them(proxy: Proxy, salesforce: SalesforceSession) -> None:
    cursor = pulled(salesforce, ANSWERS)[-1].cursor
    list(salesforce.pull(STREAMS[ANSWERS], cursor, timedelta(hours=1)))
    deleted, query = proxy.requests("/data/")[-2:]
    assert "+" not in deleted["query"]
    (start,) = parse_qs(deleted["query"])["start"]
    assert start.endswith("+00:00")
    (soql,) = parse_qs(query["query"])["q"]
    assert "WHERE SystemModstamp >= 20" in soql
    assert soql.endswith("Z ORDER BY SystemModstamp, Id")


def test_the_longest_query_is_short_enough_for_an_address(
    proxy: Proxy, control: SalesforceControl, salesforce: SalesforceSession
) -> None:
    cursor = pulled(salesforce, "Contact")[-1].cursor
    for _ in range(200):
        control.purge("Contact", control.add("Contact", LastName="x"))
    list(salesforce.pull(STREAMS["Contact"], cursor, NO_OVERLAP))
    assert max(len(one["query"]) for one in proxy.requests("/queryAll")) < 8_000
    assert {one["status"] for one in proxy.requests("/data/")} == {200}


def test_calls_that_run_out_end_the_pull_and_not_the_landed(
    proxy: Proxy, control: SalesforceControl, salesforce: SalesforceSession, waits: list[float]
) -> None:
    salesforce.check()
    control.leave_calls(3)  # the description, the count, the first page
    pages: list[Any] = []
    with pytest.raises(RetryableError, match="24 hours"):
        pages.extend(salesforce.pull(STREAMS[ANSWERS], {}, NO_OVERLAP))
    assert waits == []
    assert proxy.requests("/query/0r8")[-1]["status"] == 403


@pytest.mark.parametrize(("asked", "right"), [("$.Score__c", "acme__Score__c"), ("$.acme__score__c", "acme__Score__c")])
def test_a_field_of_a_package_is_named_with_its_prefix(
    proxy: Proxy, salesforce: SalesforceSession, asked: str, right: str
) -> None:
    def packaged(body: dict[str, Any]) -> dict[str, Any]:
        fields = [one | {"name": one["name"].replace("Score__c", "acme__Score__c")} for one in body["fields"]]
        return body | {"fields": fields}

    proxy.faults.append(("/describe", changing(packaged)))
    stream = Stream("salesforce", "NPS_Response__c", "response", {"score": asked})
    with pytest.raises(ConfigError, match=f"otherwise: write {right}"):
        list(salesforce.pull(stream, {}, NO_OVERLAP))
