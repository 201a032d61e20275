"""Salesforce when things go wrong, through a proxy with faults: expired sessions, missing answers, limits."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors import http
from connectors.base import Change, Page
from connectors.errors import ConfigError, ConnectorError, FatalError, InDoubtError, RetryableError
from connectors.salesforce import SalesforceSession
from sandbox.serve import Sandbox
from tests.connectors.salesforce_access import (
    EXPIRED,
    KINDS,
    NO_OVERLAP,
    STREAMS,
    TARGET,
    Answer,
    Fault,
    Proxy,
    change,
    changing,
    connect,
    contacts,
    cut,
    proxied,
    pulled,
    records_of,
    refusing,
    saying,
)

QUESTIONS = "SurveyQuestionResponse"
QUERY, MORE, WRITE, TOKEN = "/queryAll/", "/query/0r8", "/composite/sobjects", "/services/oauth2/token"
SECRET_PAGE = "<html>secret</html>"

pytestmark = pytest.mark.usefixtures("waits")


@pytest.fixture
def proxy(fresh_sandbox: Sandbox) -> Iterator[Proxy]:
    with proxied(fresh_sandbox) as proxy:
        yield proxy


def session_of(proxy: Proxy, way: str = "jwt") -> SalesforceSession:
    return connect(proxy.environment(way))


def ids_of(proxy: Proxy, name: str) -> set[str]:
    return set(proxy.sandbox.control["salesforce"].state(name))


def one_change(proxy: Proxy) -> Change:
    return change(next(iter(contacts(proxy.sandbox))), NPS_Score__c="4")


def score(proxy: Proxy, written: Change) -> Any:
    return contacts(proxy.sandbox)[written.record_id]["fields"].get("NPS_Score__c")


# --- reading ---


@pytest.mark.parametrize("place", [QUERY, MORE])
@pytest.mark.parametrize("way", ["jwt", "client_credentials", "password"])
def test_an_expired_session_is_renewed_and_the_same_page_asked_again(proxy: Proxy, way: str, place: str) -> None:
    session = session_of(proxy, way)
    proxy.faults.append((place, EXPIRED))
    pages = pulled(session, QUESTIONS)
    assert [bool(page.cursor) for page in pages] == [False] * (len(pages) - 1) + [True]
    assert len(pages) > 1
    assert records_of(pages).keys() == ids_of(proxy, QUESTIONS)
    assert len(proxy.requests("/Soap/") + proxy.requests(TOKEN)) == 2


def test_a_session_that_expires_again_at_once_is_not_renewed_for_ever(proxy: Proxy) -> None:
    session = session_of(proxy)
    proxy.faults += [(QUERY, EXPIRED)] * 10
    with pytest.raises(ConfigError, match="401"):
        pulled(session, QUESTIONS)
    assert len(proxy.requests(TOKEN)) == 2
    assert len(proxy.faults) == 8


def test_an_expired_session_id_is_no_use(proxy: Proxy) -> None:
    session = session_of(proxy, "session")
    proxy.faults.append((MORE, EXPIRED))
    pages: list[Page] = []
    with pytest.raises(ConfigError, match="credentials"):
        pages.extend(session.pull(STREAMS[QUESTIONS], {}, NO_OVERLAP))
    assert not any(page.cursor for page in pages)


UNREADABLE: dict[str, Fault] = {
    "a page for people": saying(SECRET_PAGE),
    "nothing": saying(""),
    "half of it": saying('{"totalSize": 2, "done": true, "records": [{"Id": "00'),
    "no list": changing(lambda body: body | {"records": None}),
    "no end": changing(lambda body: body | {"done": None}),
    "no count": changing(lambda body: body | {"totalSize": None}),
    "no ids": changing(lambda body: body | {"records": [{}]}),
    "no following page": changing(lambda body: body | {"nextRecordsUrl": None}),
    "a following page elsewhere": changing(lambda body: body | {"nextRecordsUrl": "@evil.example/"}),
    "a list": changing(lambda body: [body]),
    "a number": saying("7"),
    "an expired session without words": lambda _: Answer(503, b"<html>", {}),
    "no answer": cut,
    "an error of the server": refusing(500, "UNKNOWN_EXCEPTION"),
    "an error for a while": refusing(503, "SERVER_UNAVAILABLE"),
    "too many requests": refusing(429, "TOO_MANY"),
    "no calls left": refusing(403, "REQUEST_LIMIT_EXCEEDED"),
    "a slow query": refusing(400, "QUERY_TIMEOUT"),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_answer_that_is_none_is_asked_for_again(proxy: Proxy, waits: list[float], fault: str) -> None:
    session = session_of(proxy)
    proxy.faults.append((QUERY, UNREADABLE[fault]))
    assert records_of(pulled(session, QUESTIONS)).keys() == ids_of(proxy, QUESTIONS)
    assert waits == [1.0]


@pytest.mark.parametrize("fault", UNREADABLE)
def test_an_answer_that_stays_away_is_no_empty_answer(proxy: Proxy, fault: str) -> None:
    session = session_of(proxy)
    proxy.faults += [(QUERY, UNREADABLE[fault])] * http.ATTEMPTS
    with pytest.raises(RetryableError) as error:
        pulled(session, QUESTIONS)
    assert "secret" not in str(error.value)
    assert proxy.faults == []


NOT_REPEATED: list[tuple[str, Fault, type[ConnectorError], str]] = [
    (QUERY, changing(lambda body: body | {"totalSize": 7}), RetryableError, "served 200 of 7"),
    (MORE, changing(lambda body: body | {"records": body["records"][:-1]}), RetryableError, "run again"),
    (QUERY, changing(lambda body: body | {"records": []}), RetryableError, "served 0 of"),
    (QUERY, changing(lambda body: body | {"records": [{"Id": "1"}] * 200}), ConfigError, "spells"),
    (MORE, refusing(400, "INVALID_QUERY_LOCATOR"), FatalError, "closed the query"),
    (QUERY, refusing(403, "API_DISABLED_FOR_ORG"), ConfigError, "API_DISABLED_FOR_ORG.*permission"),
    (QUERY, refusing(400, "MALFORMED_QUERY"), FatalError, "MALFORMED_QUERY"),
    (QUERY, saying(SECRET_PAGE, 404), FatalError, "404 when reading SurveyQuestionResponse. "),
    (QUERY, refusing(400, "Ada Lovelace <ada@x.example>"), FatalError, "400 when reading SurveyQuestionResponse. "),
]


@pytest.mark.parametrize(("place", "fault", "kind", "says"), NOT_REPEATED)
def test_an_answer_that_cannot_be_trusted_ends_the_pull(
    proxy: Proxy, place: str, fault: Fault, kind: type[ConnectorError], says: str
) -> None:
    session = session_of(proxy)
    proxy.faults.append((place, fault))
    with pytest.raises(kind, match=says) as error:
        pulled(session, QUESTIONS)
    assert "secret" not in str(error.value)


def test_a_record_without_a_readable_time_ends_the_pull(proxy: Proxy) -> None:
    def edit(body: dict[str, Any]) -> dict[str, Any]:
        body["records"][0]["SystemModstamp"] = "yesterday"
        return body

    session = session_of(proxy)
    proxy.faults.append((QUERY, changing(edit)))
    with pytest.raises(FatalError, match="SystemModstamp"):
        pulled(session, QUESTIONS)


def test_the_cursor_stays_behind_the_clock_of_the_server(proxy: Proxy) -> None:
    def slow(forward: Callable[[], Answer]) -> Answer:
        return Answer(200, forward().body, {"Date": "Sun, 01 Mar 2026 09:30:00 GMT"})

    session = session_of(proxy)
    proxy.faults.append((QUERY, slow))
    pages = pulled(session, "Contact")
    assert max(record.source_version for record in records_of(pages).values()) > datetime(2026, 3, 2, tzinfo=UTC)
    assert pages[-1].cursor == {"system_modstamp": "2026-03-01T09:30:00Z"}
    later = {"system_modstamp": "2026-06-01T00:00:00Z"}
    proxy.faults.append((QUERY, slow))
    assert pulled(session, "Contact", later)[-1].cursor == later


def test_the_longest_overlap_reaches_back_to_everything(proxy: Proxy) -> None:
    session, stream = session_of(proxy), STREAMS["Contact"]
    cursor = pulled(session, "Contact")[-1].cursor
    again = records_of(list(session.pull(stream, cursor, timedelta(days=999_999))))
    assert again.keys() == ids_of(proxy, "Contact")


def test_an_empty_object_has_no_cursor(proxy: Proxy) -> None:
    session = session_of(proxy)
    proxy.faults.append((QUERY, saying('{"records": [], "totalSize": 0, "done": true}')))
    (page,) = pulled(session, "Survey")
    assert (page.records, page.cursor) == ([], {})


def test_the_budget_is_read_beside_that_of_the_app(proxy: Proxy) -> None:
    usage = "per-app-api-usage=17/250(appName=x); api-usage=18/5000"
    proxy.faults.append((QUERY, lambda forward: Answer(200, forward().body, {"Sforce-Limit-Info": usage})))
    (page,) = pulled(session_of(proxy), "Survey")
    assert page.budget is not None
    assert (page.budget.limit, page.budget.remaining, page.budget.per) == (5000, 4982, "day")


# --- logging in ---


@pytest.mark.parametrize(
    ("way", "fault"),
    [
        ("jwt", saying(SECRET_PAGE)),
        ("jwt", saying("{}")),
        ("jwt", saying("[1]", 400)),
        ("jwt", saying(SECRET_PAGE, 503)),
        ("jwt", saying('{"error": "temporarily_unavailable"}', 400)),
        ("jwt", saying('{"instance_url": "https://x.example"}')),
        ("jwt", cut),
        ("password", saying(SECRET_PAGE + "<")),
        ("password", saying("<a/>")),
        ("password", saying(SECRET_PAGE, 503)),
        ("password", cut),
    ],
)
def test_a_login_that_fails_in_passing_is_repeated(proxy: Proxy, waits: list[float], way: str, fault: Fault) -> None:
    proxy.faults.append(("/services/", fault))
    session_of(proxy, way).check()
    assert len(waits) == 1
    proxy.faults += [("/services/", fault)] * http.ATTEMPTS
    with pytest.raises(RetryableError) as error:
        session_of(proxy, way)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("way", "variable", "value"),
    [
        ("session", "SALESFORCE_SESSION_ID", "00D4711!\n"),
        ("session", "SALESFORCE_SESSION_ID", "00D4711\N{EN DASH}"),
        ("session", "SALESFORCE_INSTANCE_URL", "https://"),
        ("session", "SALESFORCE_INSTANCE_URL", "my instance"),
        ("jwt", "SALESFORCE_LOGIN_URL", "login.salesforce.com"),
    ],
)
def test_what_cannot_be_sent_is_named_instead_of_tried(
    proxy: Proxy, waits: list[float], way: str, variable: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=variable) as error:
        connect(proxy.environment(way) | {variable: value}).check()
    assert "4711" not in str(error.value)
    assert waits == []


# --- writing ---


IN_DOUBT: dict[str, Fault] = {
    "no answer": cut,
    "a page for people": saying(SECRET_PAGE),
    "nothing": saying(""),
    "a number": saying("7"),
    "an empty list": saying("[]"),
    "too many results": changing(lambda rows: [*rows, *rows]),
    "another record": changing(lambda rows: [rows[0] | {"id": "003000000000000AAA"}]),
    "no id": saying('[{"success": true}]'),
    "no reason": saying('[{"success": false, "errors": []}]'),
    "an error of the server": saying(SECRET_PAGE, 502),
    "out of patience": saying(SECRET_PAGE, 408),
}


@pytest.mark.parametrize("fault", IN_DOUBT)
def test_a_write_without_a_readable_answer_is_in_doubt_and_not_repeated(proxy: Proxy, fault: str) -> None:
    session, written = session_of(proxy), one_change(proxy)
    proxy.faults.append((WRITE, IN_DOUBT[fault]))
    with pytest.raises(InDoubtError) as error:
        session.push(TARGET, [written])
    assert "secret" not in str(error.value)
    assert len(proxy.requests(WRITE)) == 1
    assert session.read_back(TARGET, [written.record_id], {"NPS_Score__c": "number"}) == {
        written.record_id: {"NPS_Score__c": "4"}
    }


def test_values_are_sent_in_the_forms_of_json(proxy: Proxy) -> None:
    session, record_id = session_of(proxy), next(iter(contacts(proxy.sandbox)))
    session.push(TARGET, [change(record_id, NPS_Score__c="9", NPS_Category__c="Promoter", NPS_Responded_At__c=None)])
    values = {"NPS_Score__c": 9, "NPS_Category__c": "Promoter", "NPS_Responded_At__c": None}
    record = {"attributes": {"type": "Contact"}, "Id": record_id} | values
    assert proxy.written == [{"allOrNone": False, "records": [record]}]


def test_an_expired_session_is_renewed_before_a_write(proxy: Proxy) -> None:
    session, written = session_of(proxy), one_change(proxy)
    proxy.faults.append((WRITE, EXPIRED))
    (result,) = session.push(TARGET, [written])
    assert (result.error_code, score(proxy, written)) == (None, 4)
    assert len(proxy.requests(WRITE)) == 1


@pytest.mark.parametrize("refusal", [refusing(429, "TOO_MANY"), refusing(403, "REQUEST_LIMIT_EXCEEDED")])
def test_a_write_over_the_limit_is_repeated_then_given_up(proxy: Proxy, refusal: Fault) -> None:
    session, written = session_of(proxy), one_change(proxy)
    proxy.faults += [(WRITE, refusal)] * http.ATTEMPTS
    with pytest.raises(RetryableError):
        session.push(TARGET, [written])
    assert proxy.requests(WRITE) == []
    proxy.faults.append((WRITE, refusal))
    assert [result.error_code for result in session.push(TARGET, [written])] == [None]


def test_a_refused_write_names_what_is_missing(proxy: Proxy) -> None:
    session, written = session_of(proxy), one_change(proxy)
    message = "No such column 'NPS_Score__c' on sobject of type Contact"
    body = json.dumps([{"message": message, "errorCode": "INVALID_FIELD"}]).encode()
    proxy.faults.append((WRITE, lambda _: Answer(400, body)))
    with pytest.raises(ConfigError, match="no field NPS_Score__c on Contact"):
        session.push(TARGET, [written])


def test_a_locked_row_is_told_as_its_own_outcome(proxy: Proxy) -> None:
    locked = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "secret", "fields": []}]}
    session, written = session_of(proxy), one_change(proxy)
    proxy.faults.append((WRITE, saying(json.dumps([locked]))))
    assert [result.error_code for result in session.push(TARGET, [written])] == ["UNABLE_TO_LOCK_ROW"]


def test_what_was_never_sent_is_not_in_doubt(proxy: Proxy) -> None:
    with socket.socket() as bound:  # bound, but nobody listens
        bound.bind(("127.0.0.1", 0))
        nobody = f"https://127.0.0.1:{bound.getsockname()[1]}"
        session = connect(proxy.environment("session") | {"SALESFORCE_INSTANCE_URL": nobody})
        with pytest.raises(RetryableError, match="could not be reached"):
            session.push(TARGET, [one_change(proxy)])
        with pytest.raises(RetryableError, match="could not be reached"):
            session.read_back(TARGET, list(contacts(proxy.sandbox))[:1], KINDS)
        with pytest.raises(RetryableError, match="could not be reached"):
            connect(proxy.environment("jwt") | {"SALESFORCE_LOGIN_URL": nobody})
