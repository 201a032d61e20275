"""Salesforce when things go wrong, through a proxy with faults: expired sessions, missing answers, limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors import http
from connectors.base import Page
from connectors.errors import ConfigError, ConnectorError, FatalError, RetryableError
from connectors.values import moment_text
from tests.connectors.salesforce_access import (
    EXPIRED,
    NO_OVERLAP,
    STREAMS,
    Answer,
    Fault,
    Proxy,
    changing,
    connect,
    cut,
    halved,
    pulled,
    records_of,
    refusing,
    saying,
    session_of,
)

QUESTIONS = "SurveyQuestionResponse"
QUERY, MORE, WRITE, TOKEN = "/queryAll/", "/query/0r8", "/composite/sobjects", "/services/oauth2/token"
COUNT, DELETED, DESCRIBE = "/query/?q=SELECT+COUNT", "/deleted/", "/describe"
SECRET_PAGE = "<html>secret</html>"


def ids_of(proxy: Proxy, name: str) -> set[str]:
    return set(proxy.sandbox.control["salesforce"].state(name))


# --- reading ---


@pytest.mark.parametrize("place", [QUERY, MORE])
@pytest.mark.parametrize("way", ["jwt", "client_credentials", "password"])
def test_an_expired_session_is_renewed_and_the_same_page_asked_again(proxy: Proxy, way: str, place: str) -> None:
    session = session_of(proxy, way)
    proxy.faults.append((place, EXPIRED))
    pages = pulled(session, QUESTIONS)
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
    assert "deletions_known" not in pages[-1].cursor or len(pages) == 1


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
    "half an answer": halved,
    "an error of the server": refusing(500, "UNKNOWN_EXCEPTION"),
    "an error for a while": refusing(503, "SERVER_UNAVAILABLE"),
    "too many requests": refusing(429, "TOO_MANY"),
    "too many at a time": refusing(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."),
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


def test_a_page_that_comes_twice_hides_no_other(proxy: Proxy) -> None:
    control = proxy.sandbox.control["salesforce"]
    for _ in range(400 - len(control.state(QUESTIONS))):
        control.add(QUESTIONS, NumberValue=9)
    first: list[Answer] = []

    def keeping(forward: Callable[[], Answer]) -> Answer:
        first.append(forward())
        return first[0]

    def repeating(_: Callable[[], Answer]) -> Answer:
        body = json.loads(first[0].body)
        del body["nextRecordsUrl"]
        return Answer(200, json.dumps(body | {"done": True}).encode())

    proxy.faults += [(QUERY, keeping), (MORE, repeating)]
    with pytest.raises(RetryableError, match="400 of 400"):
        pulled(session_of(proxy), QUESTIONS)


def test_what_changes_while_a_pull_runs_is_served_by_the_next(proxy: Proxy) -> None:
    control, session = proxy.sandbox.control["salesforce"], session_of(proxy)
    first, second, third, *_ = control.state(QUESTIONS)

    def changing_meanwhile(forward: Callable[[], Answer]) -> Answer:
        control.edit(QUESTIONS, first, NumberValue=1)
        control.delete(QUESTIONS, second)
        return forward()

    for place in (QUERY, MORE):
        proxy.faults.append((place, changing_meanwhile))
        pages = pulled(session, QUESTIONS)
        assert records_of(pages).keys() == ids_of(proxy, QUESTIONS)
        later = records_of(pulled(session, QUESTIONS, pages[-1].cursor))
        assert json.loads(later[first].payload)["NumberValue"] == 1
        assert later[second].is_deleted
        second = third


def test_a_limit_of_the_day_ends_the_pull_at_once(proxy: Proxy, waits: list[float]) -> None:
    session, limit = session_of(proxy), refusing(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    for place in (DESCRIBE, COUNT, QUERY, MORE):
        proxy.faults.append((place, limit))
        with pytest.raises(RetryableError, match="24 hours"):
            pulled(session, QUESTIONS)
    assert proxy.faults == []
    assert waits == []


def test_a_login_over_the_limit_of_the_day_is_not_repeated(proxy: Proxy, waits: list[float]) -> None:
    proxy.faults.append((TOKEN, saying('{"error": "REQUEST_LIMIT_EXCEEDED"}', 400)))
    with pytest.raises(RetryableError, match="24 hours"):
        session_of(proxy)
    assert waits == []


@pytest.mark.parametrize(("asked", "waited"), [({}, 1.0), ({"Retry-After": "7"}, 7.0), ({"Retry-After": "0.1"}, 1.0)])
def test_a_wait_that_salesforce_asks_for_is_kept(
    proxy: Proxy, waits: list[float], asked: dict[str, str], waited: float
) -> None:
    session = session_of(proxy)
    proxy.faults.append((QUERY, refusing(503, "SERVER_UNAVAILABLE", **asked)))
    assert records_of(pulled(session, QUESTIONS)).keys() == ids_of(proxy, QUESTIONS)
    assert waits == [waited]


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
    proxy.faults.append((COUNT, slow))
    pages = pulled(session, "Contact")
    assert max(record.source_version for record in records_of(pages).values()) > datetime(2026, 3, 2, tzinfo=UTC)
    then = "2026-03-01T09:30:00Z"
    assert pages[-1].cursor == {"system_modstamp": then, "deletions_known": then}
    today = moment_text(datetime.now(UTC))
    later = {"system_modstamp": "2026-06-01T00:00:00Z", "deletions_known": today}
    proxy.faults.append((DELETED, slow))
    assert pulled(session, "Contact", later)[-1].cursor == later


def test_the_longest_overlap_reaches_back_to_everything(proxy: Proxy) -> None:
    session, stream = session_of(proxy), STREAMS["Contact"]
    cursor = pulled(session, "Contact")[-1].cursor
    again = records_of(list(session.pull(stream, cursor, timedelta(days=999_999))))
    assert again.keys() == ids_of(proxy, "Contact")


def test_an_empty_object_has_no_cursor(proxy: Proxy) -> None:
    session = session_of(proxy)
    proxy.faults.append((QUERY, saying('{"records": [], "totalSize": 0, "done": true}')))
    assert [(page.records, page.cursor) for page in pulled(session, "Survey")] == [([], {}), ([], {})]


def test_the_budget_is_read_beside_that_of_the_app(proxy: Proxy) -> None:
    usage = "per-app-api-usage=17/250(appName=x); api-usage=18/5000"
    proxy.faults.append((QUERY, lambda forward: Answer(200, forward().body, {"Sforce-Limit-Info": usage})))
    page, _ = pulled(session_of(proxy), "Survey")
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
