"""Writes to Salesforce when things go wrong, through a proxy with faults: what is in doubt, what is asked again."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from connectors import http
from connectors.base import Change
from connectors.errors import ConfigError, InDoubtError, RetryableError
from tests.connectors.salesforce_access import (
    EXPIRED,
    KINDS,
    TARGET,
    Answer,
    Fault,
    Proxy,
    change,
    changing,
    connect,
    contacts,
    cut,
    refusing,
    saying,
    session_of,
)

WRITE = "/composite/sobjects"
SECRET_PAGE = "<html>secret</html>"
LOCKED = {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "secret", "fields": []}]}
TOO_MANY_AT_A_TIME = refusing(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.")


def one_change(proxy: Proxy) -> Change:
    return change(next(iter(contacts(proxy.sandbox))), NPS_Score__c="4")


def score(proxy: Proxy, written: Change) -> Any:
    return contacts(proxy.sandbox)[written.record_id]["fields"].get("NPS_Score__c")


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


@pytest.mark.parametrize("refusal", [refusing(429, "TOO_MANY"), TOO_MANY_AT_A_TIME])
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


def locking(*places: int) -> Fault:
    """The rows at these places are locked, so that they are not written; the others are."""

    def edit(rows: Any) -> Any:
        return [LOCKED if place in places else row for place, row in enumerate(rows)]

    return changing(edit)


def test_only_the_rows_that_are_locked_are_sent_again(proxy: Proxy, waits: list[float]) -> None:
    session, (one, two, *_) = session_of(proxy), list(contacts(proxy.sandbox))
    changes = [change(one, NPS_Score__c="4"), change(two, NPS_Score__c="7")]
    proxy.faults += [(WRITE, locking(1)), (WRITE, locking(0))]
    results = session.push(TARGET, changes)
    assert [(result.op_id, result.error_code) for result in results] == [(f"op-{one}", None), (f"op-{two}", None)]
    assert [[row["Id"] for row in body["records"]] for body in proxy.written] == [[one, two], [two], [two]]
    assert waits == [1.0, 2.0]


def test_a_row_that_stays_locked_is_told_as_its_own_outcome(proxy: Proxy) -> None:
    session, (one, two, *_) = session_of(proxy), list(contacts(proxy.sandbox))
    changes = [change(one, NPS_Score__c="4"), change(two, NPS_Score__c="7")]
    proxy.faults += [(WRITE, locking(1))] + [(WRITE, locking(0))] * (http.ATTEMPTS - 1)
    codes = [result.error_code for result in session.push(TARGET, changes)]
    assert codes == [None, "UNABLE_TO_LOCK_ROW"]
    assert proxy.faults == []


@pytest.mark.parametrize("refusal", [refusing(403, "INSUFFICIENT_ACCESS"), refusing(403, "REQUEST_LIMIT_EXCEEDED")])
def test_what_is_written_is_told_also_where_the_locked_rows_are_refused_later(proxy: Proxy, refusal: Fault) -> None:
    session, (one, two, *_) = session_of(proxy), list(contacts(proxy.sandbox))
    changes = [change(one, NPS_Score__c="4"), change(two, NPS_Score__c="7")]
    proxy.faults += [(WRITE, locking(1)), (WRITE, refusal)]
    codes = [result.error_code for result in session.push(TARGET, changes)]
    assert codes == [None, "UNABLE_TO_LOCK_ROW"]


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
