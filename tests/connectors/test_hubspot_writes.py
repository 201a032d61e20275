"""Writing scores to HubSpot contacts and reading them back: what every single row became, also where answers fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import Change, Kind, Session, Value, WriteResult
from connectors.errors import ConfigError, FatalError, InDoubtError, RetryableError
from sandbox.hubspot.hooks import HubSpotControl
from sandbox.hubspot.service import NARROW_TOKEN
from sandbox.serve import Sandbox
from tests.connectors.hubspot_pulls import CONNECTED, NO_OVERLAP, STREAMS, Login
from tests.connectors.scripted import Reply, Scripted

CONTACT = CONNECTED.targets[0]
FIELDS: dict[str, Kind] = {"nps_score": "number", "nps_category": "text", "nps_responded_at": "datetime"}
NINE = {"nps_score": Value("number", "9")}
Fault = Callable[..., Session]


@pytest.fixture
def hubspot(fresh_sandbox: Sandbox, hubspot_login: Login) -> Session:
    return hubspot_login(fresh_sandbox.urls["hubspot"])


@pytest.fixture
def contacts(fresh_sandbox: Sandbox) -> list[str]:
    return sorted(fresh_sandbox.control["hubspot"].state("contacts"), key=int)


@pytest.fixture
def fault(hubspot_login: Login, answering: Callable[..., Scripted]) -> Fault:
    """Logs in to a server that gives these replies."""
    return lambda *replies: hubspot_login(answering(*replies).url)


def change(record_id: str, **values: tuple[Kind, str | None]) -> Change:
    return Change(f"op-{record_id}", record_id, {name: Value(*value) for name, value in values.items()} or NINE)


def codes(results: Sequence[WriteResult]) -> dict[str, str | None]:
    return {result.op_id: result.error_code for result in results}


def stored(sandbox: Sandbox, record_id: str) -> dict[str, Any]:
    fields: dict[str, Any] = sandbox.control["hubspot"].state("contacts")[record_id]["fields"]
    return fields


# --- push ---


def test_values_arrive_as_the_crm_keeps_them(fresh_sandbox: Sandbox, hubspot: Session, contacts: list[str]) -> None:
    wanted = change(
        contacts[0],
        nps_score=("number", "9"),
        nps_category=("text", "promoter"),
        nps_responded_at=("datetime", "2026-03-01T09:30:00Z"),
    )
    assert codes(hubspot.push(CONTACT, [wanted])) == {wanted.op_id: None}
    fields = stored(fresh_sandbox, contacts[0])
    assert {name: fields[name] for name in FIELDS} == {
        "nps_score": "9",
        "nps_category": "promoter",
        "nps_responded_at": "2026-03-01T09:30:00Z",
    }


def test_moments_are_sent_in_milliseconds_and_numbers_as_text(
    hubspot_login: Login, answering: Callable[..., Scripted]
) -> None:
    server = answering(Reply({"results": [{"id": "7", "updatedAt": "2026-03-01T09:00:00Z"}]}))
    wanted = change("7", score=("number", "9"), at=("datetime", "1970-01-01T00:00:02Z"), on=("date", "2026-03-01"))
    hubspot_login(server.url).push(CONTACT, [wanted])
    assert server.asked[0]["body"]["inputs"][0]["properties"] == {"score": "9", "at": "2000", "on": "2026-03-01"}


def test_the_time_of_a_write_is_that_of_the_record(
    fresh_sandbox: Sandbox, hubspot: Session, contacts: list[str]
) -> None:
    result = hubspot.push(CONTACT, [change(contacts[0])])[0]
    modified = fresh_sandbox.control["hubspot"].state("contacts")[contacts[0]]["modified"]
    assert result.written_at == datetime.fromisoformat(modified)


def test_nothing_clears_a_field(fresh_sandbox: Sandbox, hubspot: Session, contacts: list[str]) -> None:
    hubspot.push(CONTACT, [change(contacts[0])])
    assert codes(hubspot.push(CONTACT, [change(contacts[0], nps_score=("number", None))])) == {
        f"op-{contacts[0]}": None
    }
    assert stored(fresh_sandbox, contacts[0])["nps_score"] is None


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("nps_score", ("number", "nine"), "INVALID_DOUBLE"),
        ("nps_category", ("text", "Delighted"), "INVALID_OPTION"),
        ("no_such_field", ("text", "x"), "PROPERTY_DOESNT_EXIST"),
        ("lastmodifieddate", ("datetime", "2026-03-01T09:30:00Z"), "READ_ONLY_VALUE"),
    ],
)
def test_a_refused_value_is_reported_for_its_own_row_and_the_others_are_written(
    fresh_sandbox: Sandbox, hubspot: Session, field: str, value: tuple[Kind, str], code: str
) -> None:
    contacts = sorted(fresh_sandbox.control["hubspot"].state("contacts"))
    later, bad, early = contacts[2], contacts[1], contacts[0]
    results = hubspot.push(CONTACT, [change(later), change(bad, **{field: value}), change(early)])
    assert codes(results) == {f"op-{later}": None, f"op-{bad}": code, f"op-{early}": None}
    assert [stored(fresh_sandbox, one).get("nps_score") for one in (later, bad, early)] == ["9", None, "9"]
    assert len(fresh_sandbox.control["hubspot"].writes()) == 1


def test_results_follow_the_record_not_the_order_of_the_answer(hubspot: Session, contacts: list[str]) -> None:
    changes = [change(one, nps_score=("number", str(score))) for score, one in enumerate(reversed(contacts[:5]))]
    results = hubspot.push(CONTACT, changes)
    assert [result.op_id for result in results] == [one.op_id for one in changes]
    back = hubspot.read_back(CONTACT, contacts[:5], {"nps_score": "number"})
    assert back == {one.record_id: {"nps_score": one.values["nps_score"].text} for one in changes}


def test_a_record_that_is_not_there_is_refused_and_not_made(
    fresh_sandbox: Sandbox, hubspot: Session, contacts: list[str]
) -> None:
    fresh_sandbox.control["hubspot"].delete("contacts", contacts[1])
    results = hubspot.push(CONTACT, [change(one) for one in ("404", contacts[0], contacts[1])])
    gone = "OBJECT_NOT_FOUND"
    assert codes(results) == {"op-404": gone, f"op-{contacts[0]}": None, f"op-{contacts[1]}": gone}
    assert "404" not in fresh_sandbox.control["hubspot"].state("contacts")


def test_the_largest_batch_is_one_request(fresh_sandbox: Sandbox, hubspot: Session, contacts: list[str]) -> None:
    results = hubspot.push(CONTACT, [change(one) for one in contacts[: CONTACT.batch_size]])
    assert set(codes(results).values()) == {None}
    assert len(fresh_sandbox.control["hubspot"].requests()) == 1


def test_a_write_is_seen_by_the_next_pull(hubspot: Session, contacts: list[str]) -> None:
    cursor = [page.cursor for page in hubspot.pull(STREAMS["contacts"], {}, NO_OVERLAP)][-1]
    result = hubspot.push(CONTACT, [change(contacts[0])])[0]
    pages = hubspot.pull(STREAMS["contacts"], cursor, NO_OVERLAP)
    seen = {record.record_id: record for page in pages for record in page.records}[contacts[0]]
    assert json.loads(seen.payload)["properties"]["nps_score"] == "9"
    assert seen.source_version == result.written_at


def test_a_batch_that_is_refused_as_a_whole_is_split_until_the_bad_row_stands_alone(fault: Fault) -> None:
    written: list[str] = []

    def strict(body: Any) -> Reply:
        if any(row["properties"]["nps_score"] == "bad" for row in body["inputs"]):
            message = 'Property values were not valid: [{"isValid":false,"error":"INVALID_DOUBLE","name":"nps_score"}]'
            return Reply({"status": "error", "category": "VALIDATION_ERROR", "message": message}, 400)
        written.extend(row["id"] for row in body["inputs"])
        return Reply({"results": [{"id": row["id"], "updatedAt": "2026-03-01T09:00:00Z"} for row in body["inputs"]]})

    changes = [change(str(one), nps_score=("number", "bad" if one == 3 else "9")) for one in range(7)]
    results = fault(strict).push(CONTACT, changes)
    assert [result.error_code for result in results] == [None, None, None, "INVALID_DOUBLE", None, None, None]
    assert sorted(written) == ["0", "1", "2", "4", "5", "6"]


def test_a_failure_after_the_first_half_leaves_the_batch_in_doubt(fault: Fault, waits: list[float]) -> None:
    refused = Reply({"category": "VALIDATION_ERROR", "message": "no"}, 400)
    half = Reply({"results": [{"id": "1", "updatedAt": "2026-03-01T09:00:00Z"}]})
    with pytest.raises(InDoubtError, match="part of the batch may have been written"):
        fault(refused, half, Reply({}, 429)).push(CONTACT, [change("1"), change("2")])
    assert len(waits) == 4


RESULT = {"id": "1", "updatedAt": "2026-03-01T09:00:00Z"}


def test_results_and_errors_are_matched_by_trace_id(fault: Fault) -> None:
    errors = [{"category": "CONFLICT", "context": {"objectWriteTraceId": ["0"]}}]
    merged = RESULT | {"id": "99", "objectWriteTraceId": "1"}
    results = fault(Reply({"results": [merged], "errors": errors}, 207)).push(CONTACT, [change("1"), change("2")])
    assert results == [
        WriteResult("op-1", "CONFLICT", None),
        WriteResult("op-2", None, datetime(2026, 3, 1, 9, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(cut=True),
        Reply({"results": [RESULT]}, headers={"Content-Length": "5000"}),
        Reply("<html>Bad gateway</html>", 502),
        Reply({}, 500),
        Reply({}, 408),
        Reply("<html>Just a moment</html>"),
        Reply({"results": None}),
        Reply({"results": [{"id": "1"}]}),
        Reply({"results": [RESULT], "errors": [{"category": "CONFLICT"}]}, 207),
        Reply({"results": [RESULT]}),
    ],
)
def test_a_batch_without_a_whole_answer_is_in_doubt_and_not_sent_again(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float], reply: Reply
) -> None:
    server = answering(reply)
    with pytest.raises(InDoubtError, match="contacts"):
        hubspot_login(server.url).push(CONTACT, [change("1"), change("2")])
    assert (len(server.asked), waits) == (1, [])


def test_a_limit_is_waited_for_because_nothing_was_written(fault: Fault, waits: list[float]) -> None:
    limited = Reply({"policyName": "TEN_SECONDLY_ROLLING"}, 429)
    assert codes(fault(limited, Reply({"results": [RESULT]})).push(CONTACT, [change("1")])) == {"op-1": None}
    assert waits == [10.0]


def test_a_limit_that_stays_fails_the_batch_with_nothing_written(fault: Fault, waits: list[float]) -> None:
    with pytest.raises(RetryableError, match="429 when writing contacts"):
        fault(Reply({}, 429)).push(CONTACT, [change("1")])
    assert len(waits) == 4


def test_without_a_connection_nothing_was_written(hubspot_login: Login, waits: list[float]) -> None:
    with pytest.raises(RetryableError, match="could not be reached"):
        hubspot_login("http://127.0.0.1:1").push(CONTACT, [change("1")])
    assert len(waits) == 4


def test_a_missing_permission_to_write_names_the_scope(
    fresh_sandbox: Sandbox, hubspot_login: Login, contacts: list[str]
) -> None:
    with pytest.raises(ConfigError, match=r"crm\.objects\.contacts\.write"):
        hubspot_login(fresh_sandbox.urls["hubspot"], NARROW_TOKEN).push(CONTACT, [change(contacts[0])])


def test_a_bad_request_that_no_row_explains_is_no_refusal_of_rows(fault: Fault) -> None:
    with pytest.raises(FatalError, match="answered 400 when writing contacts"):
        fault(Reply("<html>Bad request</html>", 400)).push(CONTACT, [change("1")])


def test_errors_show_no_values(fault: Fault) -> None:
    reply = Reply({"message": "Grace Hopper was not valid"}, 400)
    with pytest.raises(FatalError) as error:
        fault(reply).push(CONTACT, [change("1", name=("text", "Grace Hopper"))])
    assert "Grace" not in str(error.value)
    assert error.value.__cause__ is error.value.__context__ is None


# --- read back ---


def test_present_values_are_read_in_their_one_spelling(
    fresh_sandbox: Sandbox, hubspot: Session, contacts: list[str]
) -> None:
    control = fresh_sandbox.control["hubspot"]
    control.edit("contacts", contacts[0], nps_score="9.0", nps_responded_at="2026-03-01T09:30:00.250Z", nps_category="")
    control.delete("contacts", contacts[2])
    assert hubspot.read_back(CONTACT, [*contacts[:3], contacts[0], "404"], FIELDS) == {
        contacts[0]: {"nps_score": "9", "nps_category": None, "nps_responded_at": "2026-03-01T09:30:00Z"},
        contacts[1]: {"nps_score": None, "nps_category": None, "nps_responded_at": None},
    }


def test_many_records_are_read_back_a_hundred_at_a_time(
    fresh_sandbox: Sandbox, hubspot: Session, contacts: list[str]
) -> None:
    assert list(hubspot.read_back(CONTACT, contacts[:250], FIELDS)) == contacts[:250]
    paths = [one["path"] for one in fresh_sandbox.control["hubspot"].requests()]
    assert paths == ["/crm/v3/objects/contacts/batch/read"] * 3


def test_reading_back_nothing_asks_nothing(hubspot: Session) -> None:
    assert hubspot.read_back(CONTACT, [], FIELDS) == {}


def test_a_broken_answer_does_not_pass_for_records_that_are_gone(fault: Fault, waits: list[float]) -> None:
    with pytest.raises(RetryableError, match="reading back contacts"):
        fault(Reply({"results": None})).read_back(CONTACT, ["1"], FIELDS)
    assert len(waits) == 4


def test_a_contact_that_was_merged_away_is_no_longer_there_and_its_successor_is_not_read_as_it(
    fresh_sandbox: Sandbox, hubspot: Session, contacts: list[str]
) -> None:
    control = HubSpotControl.of(fresh_sandbox.control["hubspot"])
    control.edit("contacts", contacts[0], nps_score="9")
    kept = control.merge("contacts", contacts[0], contacts[1])
    (result,) = hubspot.push(CONTACT, [change(contacts[0], nps_score=("number", "8"))])
    assert result.error_code == "OBJECT_NOT_FOUND"
    assert contacts[0] not in hubspot.read_back(CONTACT, [contacts[0]], FIELDS)
    assert hubspot.read_back(CONTACT, [kept], FIELDS)[kept]["nps_score"] == "9"


@pytest.mark.parametrize("status", [423, 477])
def test_a_write_to_a_busy_account_is_sent_again(
    hubspot_login: Login, answering: Callable[..., Scripted], waits: list[float], status: int
) -> None:
    done = {"results": [{"id": "5", "updatedAt": "2026-03-01T09:00:00Z"}]}
    session = hubspot_login(answering(Reply({}, status), Reply(done)).url)
    assert codes(session.push(CONTACT, [change("5")])) == {"op-5": None}
    assert len(waits) == 1


def test_ids_and_trace_ids_may_be_numbers_and_an_error_may_lack_its_code(fault: Fault) -> None:
    done = [RESULT | {"id": 1}, RESULT | {"id": "77", "objectWriteTraceId": 1}]  # the latter was merged meanwhile
    errors = [{"status": "error", "context": {"ids": [3]}}]
    changes = [change(str(one)) for one in (1, 2, 3)]
    results = fault(Reply({"results": done, "errors": errors}, 207)).push(CONTACT, changes)
    assert codes(results) == {"op-1": None, "op-2": None, "op-3": "NOT_UPDATED"}


@pytest.mark.parametrize("context", [None, {}, {"ids": None}])
def test_an_error_that_names_no_row_leaves_those_in_doubt_that_nothing_is_said_of(fault: Fault, context: Any) -> None:
    errors = [{"category": "VALIDATION_ERROR", "context": context}]
    with pytest.raises(InDoubtError, match="1 of 2 records"):
        fault(Reply({"results": [RESULT], "errors": errors}, 207)).push(CONTACT, [change("1"), change("2")])


@pytest.mark.parametrize("code", ["PROPERTY_DOESNT_EXIST", "READ_ONLY_VALUE"])
def test_what_holds_for_every_row_of_a_refused_batch_is_not_tried_row_by_row(
    hubspot_login: Login, answering: Callable[..., Scripted], code: str
) -> None:
    message = f'Property values were not valid: [{{"isValid": false, "error": "{code}", "name": "nps_score"}}]'
    server = answering(Reply({"status": "error", "category": "VALIDATION_ERROR", "message": message}, 400))
    results = hubspot_login(server.url).push(CONTACT, [change(str(one)) for one in range(100)])
    assert {result.error_code for result in results} == {code}
    assert len(server.asked) == 1
    mixed = [change("1"), change("2", other=("number", "9"))]
    assert len(hubspot_login(server.url).push(CONTACT, mixed)) == 2
    assert len(server.asked) == 4


def test_a_batch_that_is_read_back_before_it_is_complete_is_read_again(fault: Fault, waits: list[float]) -> None:
    row = {"id": "1", "properties": {"nps_score": "9"}}
    session = fault(Reply({"status": "PROCESSING", "results": []}), Reply({"status": "COMPLETE", "results": [row]}))
    assert session.read_back(CONTACT, ["1"], {"nps_score": "number"}) == {"1": {"nps_score": "9"}}
    assert len(waits) == 1
