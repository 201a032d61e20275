"""Salesforce by query jobs of the Bulk API: the same records as by REST, in pages, whatever happens to the job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors import http
from connectors.base import Page
from connectors.errors import ConfigError, ConnectorError, RetryableError
from connectors.salesforce import SalesforceSession
from sandbox.salesforce.hooks import SalesforceControl
from tests.connectors.salesforce_access import (
    EXPIRED,
    NO_OVERLAP,
    STREAMS,
    Answer,
    Fault,
    Proxy,
    changing,
    cut,
    halved,
    pulled,
    records_of,
    refusing,
    saying,
    session_of,
)

ANSWERS = "SurveyQuestionResponse"
JOBS, RESULTS = "/jobs/query", "/results"
PAGE = 100


@pytest.fixture(autouse=True)
def polls(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pages are small and polls do not wait; what they would have waited."""
    waited: list[float] = []
    monkeypatch.setattr("connectors.salesforce_bulk.sleep", waited.append)
    monkeypatch.setattr("connectors.salesforce_bulk.PAGE", PAGE)
    return waited


@pytest.fixture
def bulk(proxy: Proxy) -> Iterator[SalesforceSession]:
    session = session_of(proxy, bulk_above=0)
    yield session
    session.close()


def steps(proxy: Proxy) -> list[str]:
    """What was asked of jobs, in order."""
    return [f"{one['method']} {one['path'].split(JOBS)[1].count('/')}" for one in proxy.requests(JOBS)]


CREATE, POLL, PAGE_OF, ABORT, DELETE = "POST 0", "GET 1", "GET 2", "PATCH 1", "DELETE 1"


# --- the same as by REST ---


@pytest.mark.parametrize("name", STREAMS)
def test_every_record_is_what_it_is_by_rest(proxy: Proxy, bulk: SalesforceSession, name: str) -> None:
    control = proxy.sandbox.control["salesforce"]
    control.delete(name, min(control.state(name)))
    by_rest = records_of(pulled(session_of(proxy), name))
    assert proxy.requests(JOBS) == []
    by_job = records_of(pulled(bulk, name))
    assert steps(proxy)[0] == CREATE
    assert by_job == by_rest
    assert {record.is_deleted for record in by_job.values()} == {True, False}


@pytest.mark.parametrize("text", ['one\ntwo "quoted", and\r\nthree', "Zoë 株 \u2028 🙂", "'=1+1", " blank ", "null"])
def test_text_keeps_every_letter(proxy: Proxy, bulk: SalesforceSession, text: str) -> None:
    added = proxy.sandbox.control["salesforce"].add("NPS_Response__c", Comment__c=text, Score__c=9.0)
    payload = json.loads(records_of(pulled(bulk, "NPS_Response__c"))[added].payload)
    assert (payload["Comment__c"], payload["Score__c"], payload["Contact__c"]) == (text, 9.0, None)


def test_pages_are_followed_by_locator_and_cost_as_much_as_they_must(
    proxy: Proxy, bulk: SalesforceSession, polls: list[float]
) -> None:
    pages = pulled(bulk, ANSWERS)
    rows = proxy.sandbox.control["salesforce"].state(ANSWERS)
    assert [len(page.records) for page in pages] == [PAGE, PAGE, len(rows) - 2 * PAGE, 0]
    assert [bool(page.cursor) for page in pages] == [False, False, False, True]
    assert records_of(pages).keys() == rows.keys()
    assert steps(proxy) == [CREATE, POLL, POLL, PAGE_OF, PAGE_OF, PAGE_OF, DELETE]
    assert polls == [1.0]
    found = [record for page in pages for record in page.records]
    assert found != sorted(found, key=lambda record: (record.source_version, record.record_id))  # so no earlier cursor


def test_the_cursor_is_that_of_a_pull_by_rest(proxy: Proxy, bulk: SalesforceSession) -> None:
    by_rest = pulled(session_of(proxy), "Account")[-1].cursor["system_modstamp"]
    assert pulled(bulk, "Account")[-1].cursor["system_modstamp"] == by_rest


def test_few_records_come_by_rest(proxy: Proxy) -> None:
    many = len(proxy.sandbox.control["salesforce"].state(ANSWERS))
    pulled(session_of(proxy, bulk_above=many), ANSWERS)
    assert proxy.requests(JOBS) == []
    pulled(session_of(proxy, bulk_above=many - 1), ANSWERS)
    assert proxy.requests(JOBS)


def test_many_changes_since_the_last_pull_come_by_job(proxy: Proxy) -> None:
    control, session = proxy.sandbox.control["salesforce"], session_of(proxy, bulk_above=250)
    cursor = pulled(session, ANSWERS)[-1].cursor
    edited = list(control.state(ANSWERS))
    for one in edited[:3]:
        control.edit(ANSWERS, one, NumberValue=3)
    for above in (250, 2):  # what is on one page needs no job
        assert {*edited[:3]} <= records_of(pulled(session_of(proxy, bulk_above=above), ANSWERS, cursor)).keys()
        assert proxy.requests(JOBS) == []
    control.set_modified(ANSWERS, datetime.now(UTC), edited[:220])
    found = records_of(pulled(session_of(proxy, bulk_above=2), ANSWERS, cursor))
    assert steps(proxy)[0] == CREATE
    assert {*edited[:220]} <= found.keys() < {*edited}


def test_an_object_that_has_no_jobs_comes_by_rest(
    proxy: Proxy, bulk: SalesforceSession, control: SalesforceControl
) -> None:
    control.trouble_jobs(refused=("Contact",))
    assert records_of(pulled(bulk, "Contact")).keys() == control.state("Contact").keys()
    assert steps(proxy) == [CREATE]


# --- trouble ---


@pytest.mark.parametrize("place", [JOBS, RESULTS])
@pytest.mark.parametrize("way", ["jwt", "client_credentials", "password"])
def test_an_expired_session_is_renewed_in_the_middle_of_a_job(proxy: Proxy, way: str, place: str) -> None:
    session = session_of(proxy, way, bulk_above=0)
    proxy.faults.append((place, EXPIRED))
    assert records_of(pulled(session, ANSWERS)).keys() == proxy.sandbox.control["salesforce"].state(ANSWERS).keys()
    assert steps(proxy).count(CREATE) == 1
    assert len(proxy.requests("/Soap/") + proxy.requests("/oauth2/token")) == 2


def test_a_session_that_stays_expired_is_renewed_once_per_request(
    proxy: Proxy, bulk: SalesforceSession, control: SalesforceControl
) -> None:
    proxy.faults += [(RESULTS, EXPIRED)] * 5
    with pytest.raises(ConfigError, match="401"):
        pulled(bulk, ANSWERS)
    assert len(proxy.requests("/oauth2/token")) == 2
    assert len(proxy.faults) == 3
    assert control.open_jobs() == []


def test_an_expired_session_id_ends_the_job(proxy: Proxy) -> None:
    session = session_of(proxy, "session", bulk_above=0)
    proxy.faults.append((RESULTS, EXPIRED))
    with pytest.raises(ConfigError, match="credentials"):
        pulled(session, ANSWERS)


def csv_edited(edit: Callable[[bytes], bytes], **headers: str) -> Fault:
    def fault(forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        return Answer(answer.status, edit(answer.body), {**answer.headers, **headers})

    return fault


UNREADABLE: dict[str, tuple[str, Fault]] = {
    "a page for people": (RESULTS, csv_edited(lambda _: b"<html>secret</html>")),
    "nothing": (RESULTS, csv_edited(lambda _: b"")),
    "a header alone": (RESULTS, csv_edited(lambda body: body.split(b"\n")[0] + b"\n")),
    "half of it": (RESULTS, csv_edited(lambda body: body[: len(body) // 2])),
    "without its last line": (RESULTS, csv_edited(lambda body: body[: body.rindex(b'\n"')])),
    "another encoding": (RESULTS, csv_edited(lambda body: body + b'"\xff"')),
    "other columns": (RESULTS, csv_edited(lambda body: body.replace(b'"Id"', b'"ID"', 1))),
    "no number of rows": (RESULTS, csv_edited(lambda body: body, **{"sforce-numberofrecords": ""})),
    "no answer": (RESULTS, cut),
    "half an answer": (RESULTS, halved),
    "an error of the server": (RESULTS, refusing(500, "UNKNOWN_EXCEPTION")),
    "too many requests": (RESULTS, refusing(429, "TOO_MANY")),
    "no state": (JOBS + "/", changing(lambda body: body | {"state": None})),
    "no job": (JOBS, saying("{}")),
    "a state for people": (JOBS + "/", saying("<html>")),
}


@pytest.mark.parametrize("trouble", UNREADABLE)
def test_an_answer_that_is_none_is_asked_for_again(
    proxy: Proxy, bulk: SalesforceSession, waits: list[float], trouble: str
) -> None:
    proxy.faults.append(UNREADABLE[trouble])
    assert records_of(pulled(bulk, ANSWERS)).keys() == proxy.sandbox.control["salesforce"].state(ANSWERS).keys()
    assert waits == [1.0]


@pytest.mark.parametrize("trouble", UNREADABLE)
def test_an_answer_that_stays_away_is_no_empty_answer(proxy: Proxy, bulk: SalesforceSession, trouble: str) -> None:
    proxy.faults += [UNREADABLE[trouble]] * http.ATTEMPTS
    pages: list[Page] = []
    with pytest.raises(RetryableError) as error:
        pages.extend(bulk.pull(STREAMS[ANSWERS], {}, NO_OVERLAP))
    assert "secret" not in str(error.value)
    assert not any(page.cursor for page in pages)


def dropping_a_row(forward: Callable[[], Answer]) -> Answer:
    answer = forward()
    body = answer.body[: answer.body.rindex(b'\n"') + 1]
    return Answer(answer.status, body, answer.headers | {"sforce-numberofrecords": str(PAGE - 1)})


SHORT: dict[str, Fault] = {
    "fewer rows than the job has": dropping_a_row,
    "an end before the end": csv_edited(lambda body: body, **{"sforce-locator": "null"}),
    "no way on": csv_edited(lambda body: body, **{"sforce-locator": ""}),
    "the first page again and again": csv_edited(lambda body: body, **{"sforce-locator": "MA"}),
    "a locator that is none": csv_edited(lambda body: body, **{"sforce-locator": "x"}),
}


@pytest.mark.parametrize("trouble", SHORT)
def test_pages_that_are_not_all_of_it_end_the_pull(proxy: Proxy, bulk: SalesforceSession, trouble: str) -> None:
    proxy.faults += [(RESULTS, SHORT[trouble])] * 3
    pages: list[Page] = []
    with pytest.raises(ConnectorError):
        pages.extend(bulk.pull(STREAMS[ANSWERS], {}, NO_OVERLAP))
    assert not any(page.cursor for page in pages)


@pytest.mark.parametrize("outcome", ["Failed", "Aborted"])
def test_a_job_that_fails_is_told_and_tidied_up(
    bulk: SalesforceSession, control: SalesforceControl, waits: list[float], outcome: str
) -> None:
    control.trouble_jobs(outcome)
    with pytest.raises(RetryableError, match=rf"{ANSWERS} as {outcome} \(QUERY_TIMEOUT\)") as error:
        pulled(bulk, ANSWERS)
    assert "too long" not in str(error.value)  # the vendor's words may quote data
    assert control.open_jobs() == []
    assert waits == []


def test_a_job_that_is_gone_is_no_empty_answer(
    proxy: Proxy, bulk: SalesforceSession, control: SalesforceControl
) -> None:
    def losing(forward: Callable[[], Answer]) -> Answer:
        control.forget_jobs()
        return forward()

    for place in (JOBS + "/", RESULTS):
        proxy.faults.append((place, losing))
        with pytest.raises(RetryableError, match="lost the bulk query"):
            pulled(bulk, ANSWERS)


def test_a_job_that_never_ends_is_given_up(
    bulk: SalesforceSession, control: SalesforceControl, polls: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.salesforce_bulk.PATIENCE", 600)
    control.trouble_jobs("InProgress")
    with pytest.raises(RetryableError, match="four hours"):
        pulled(bulk, ANSWERS)
    assert max(polls) <= 30
    assert sum(polls) == pytest.approx(600, abs=30)
    assert control.open_jobs() == []


def test_a_pull_that_is_left_leaves_no_job(bulk: SalesforceSession, control: SalesforceControl) -> None:
    pages: Any = bulk.pull(STREAMS[ANSWERS], {}, NO_OVERLAP)
    next(pages)
    assert len(control.open_jobs()) == 1
    pages.close()
    assert control.open_jobs() == []


def test_a_job_that_cannot_be_tidied_up_does_no_harm(proxy: Proxy, bulk: SalesforceSession) -> None:
    def keeping(forward: Callable[[], Answer]) -> Answer:
        proxy.faults.append((JOBS + "/", refusing(403, "INSUFFICIENT_ACCESS")))  # the next request deletes the job
        return forward()

    proxy.faults.append((RESULTS, keeping))
    assert len(records_of(pulled(bulk, "Survey"))) == 2
    assert proxy.faults == []
