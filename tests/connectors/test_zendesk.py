"""The Zendesk connector against the sandbox, and against a server that misbehaves as scripted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import zendesk
from connectors.base import Budget, Session
from connectors.errors import ConfigError, FatalError, RetryableError
from connectors.zendesk import CONNECTOR, ZendeskSettings
from sandbox.serve import Sandbox
from sandbox.zendesk.service import OAUTH_TOKEN
from tests.connectors.scripted import Reply
from tests.connectors.zendesk_accounts import (
    NO_OVERLAP,
    SETTINGS,
    START,
    STREAMS,
    Start,
    drained,
    organizations_page,
    row,
    users_page,
)

TICKETS: dict[str, object] = {"score": "field:360001", "scale": [0, 10], "comment": "field:360002", "channel": "email"}
TABLES = ("tickets", "users", "organizations")


def connect(environment: Mapping[str, str]) -> Session:
    return CONNECTOR.connect(SETTINGS, environment)


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    made = connect(sandbox.environment)
    yield made
    made.close()


def a_user(sandbox: Sandbox, place: int = 1) -> str:
    return list(sandbox.control["zendesk"].state("users"))[place]


# --- declarations ---


@pytest.mark.parametrize("written", ["field:360001", "360001", 360001])
def test_a_ticket_field_is_named_by_its_id(written: object) -> None:
    settings = ZendeskSettings.model_validate({"tickets": {"score": written, "scale": [0, 10]}})
    stream = CONNECTOR.streams(settings, {})[0]
    assert (stream.name, stream.fields["score"]) == ("tickets", "$.custom_fields[id=360001].value")
    assert "comment" not in stream.fields


@pytest.mark.parametrize("wrong", [{"score": "nps"}, {"score": "field:0"}, {"scale": [1, 5]}, {"survey_type": "some"}])
def test_what_is_no_ticket_field_or_another_metric_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ZendeskSettings.model_validate({"tickets": TICKETS | wrong})


def test_tickets_are_a_stream_only_where_configured() -> None:
    assert [stream.name for stream in CONNECTOR.streams(ZendeskSettings(), {})] == ["users", "organizations"]
    settings = ZendeskSettings.model_validate({"tickets": TICKETS})
    tickets, users, _ = CONNECTOR.streams(settings, {"user": ["nps_score"]})
    assert users.written == {"nps_score": "$.user_fields.nps_score"}
    stated = tickets.constants
    assert {"scale_max": "10", "channel": "email", "responded_at_basis": "first_seen"}.items() <= stated.items()
    assert not {"survey", "touchpoint"} & stated.keys()


# --- logging in ---


@pytest.mark.parametrize("way", ["token", "oauth"])
def test_both_logins_work(sandbox: Sandbox, way: str) -> None:
    session = connect(sandbox.environment_for(zendesk=way))
    session.check()
    assert drained(session, "organizations")[0]


def test_an_oauth_token_gives_way_to_no_password_of_the_home_directory(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    connect(sandbox.environment_for(zendesk="oauth")).check()


@pytest.mark.parametrize(("way", "secret"), [("token", "ZENDESK_TOKEN"), ("oauth", "ZENDESK_OAUTH_TOKEN")])
def test_wrong_credentials_are_named_and_not_shown(sandbox: Sandbox, way: str, secret: str) -> None:
    session = connect(sandbox.environment_for(zendesk=way) | {secret: "guess-4711"})
    with pytest.raises(ConfigError, match=secret) as known:
        session.check()
    with pytest.raises(ConfigError, match="refused the credentials") as late:
        drained(session, "users")
    assert "guess-4711" not in f"{known.value} {late.value} {session!r}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ZENDESK_BASE_URL", "127.0.0.1:80"),
        ("ZENDESK_SUBDOMAIN", "a.zendesk.com"),
        ("ZENDESK_SUBDOMAIN", "evil.com/"),
        ("ZENDESK_TOKEN", "copied\n"),
        ("ZENDESK_TOKEN", "copi…"),
    ],
)
def test_what_is_no_address_or_no_token_is_not_used(sandbox: Sandbox, variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=variable) as error:
        connect(sandbox.environment | {variable: value})
    assert "copi" not in str(error.value).removesuffix("copy it again.")


def test_the_address_is_made_of_the_subdomain() -> None:
    assert zendesk._url({"ZENDESK_SUBDOMAIN": "acme-help"}) == "https://acme-help.zendesk.com"  # noqa: SLF001


@pytest.mark.wrong_requests
def test_an_address_without_zendesk_is_a_configuration_error(sandbox: Sandbox) -> None:
    elsewhere = connect(sandbox.environment | {"ZENDESK_BASE_URL": f"{sandbox.urls['zendesk']}/nowhere"})
    with pytest.raises(ConfigError, match="ZENDESK_SUBDOMAIN"):
        elsewhere.check()


# --- pulling ---


@pytest.mark.parametrize("table", TABLES)
def test_a_pull_serves_what_zendesk_holds(
    sandbox: Sandbox, session: Session, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr("sandbox.zendesk.exports.PAGE", 20)
    monkeypatch.setattr("connectors.zendesk_exports.PAGE_SIZE", 20)
    records, cursor = drained(session, table)
    state = sandbox.control["zendesk"].state(table)
    assert {record.record_id: record.source_version for record in records} == {
        record_id: datetime.fromisoformat(one["modified"]) for record_id, one in state.items()
    }
    assert len(records) == len(state)
    shown = "subject" if table == "tickets" else "name"
    payloads = {record.record_id: json.loads(record.payload) for record in records}
    assert {key: one[shown] for key, one in payloads.items()} == {
        key: one["fields"][shown] for key, one in state.items()
    }
    if table == "tickets":
        scores = {key: one["custom_fields"][0]["value"] for key, one in payloads.items()}
        assert scores == {key: one["fields"]["custom_values"]["360001"] for key, one in state.items()}
    latest = max(int(datetime.fromisoformat(one["modified"]).timestamp()) for one in state.values())
    assert cursor == {"time": latest + (table == "tickets")}  # tickets go by a time of their export


def test_a_later_pull_serves_what_changed_and_the_overlap(fresh_sandbox: Sandbox, session: Session) -> None:
    _, cursor = drained(session, "users")
    again, same = drained(session, "users", cursor)
    assert same == cursor
    changed = a_user(fresh_sandbox)
    fresh_sandbox.control["zendesk"].edit("users", changed, name="Somebody Else")
    later, moved = drained(session, "users", cursor)
    assert {one.record_id for one in later} == {one.record_id for one in again} | {changed}
    assert moved["time"] > cursor["time"]
    with_overlap, _ = drained(session, "users", cursor, timedelta(days=30))
    assert len(later) < len(with_overlap) < 230
    assert len(drained(session, "users", cursor, timedelta(days=100_000))[0]) == 230  # not before 1970


def test_deleted_records_are_served_as_such(fresh_sandbox: Sandbox, session: Session) -> None:
    for table in TABLES:
        gone = list(fresh_sandbox.control["zendesk"].state(table))[1]
        _, cursor = drained(session, table)
        fresh_sandbox.control["zendesk"].delete(table, gone)
        records, _ = drained(session, table, cursor)
        assert [one.record_id for one in records if one.is_deleted] == [gone]


def test_a_pull_tells_what_it_cost(fresh_sandbox: Sandbox) -> None:
    session = connect(fresh_sandbox.environment)
    page = next(session.pull(STREAMS["users"], {}, NO_OVERLAP))
    assert page.requests == len(fresh_sandbox.control["zendesk"].requests()) == 1
    assert page.bytes > sum(len(record.payload) for record in page.records)
    assert isinstance(page.budget, Budget)
    assert (page.budget.limit, page.budget.per) == (700, "minute")
    assert 0 < page.budget.remaining < 700


def test_a_ticket_field_that_zendesk_lacks_is_named(sandbox: Sandbox) -> None:
    settings = ZendeskSettings.model_validate({"tickets": TICKETS | {"comment": "field:999"}})
    session = CONNECTOR.connect(settings, sandbox.environment)
    with pytest.raises(ConfigError, match="999 among its ticket fields") as error:
        list(session.pull(CONNECTOR.streams(settings, {})[0], {}, NO_OVERLAP))
    assert "360001" not in str(error.value)


# --- a server that misbehaves ---


def test_an_empty_page_does_not_end_a_pull(scripted_zendesk: Start) -> None:
    pages = [users_page([row(1)], "a="), users_page([], "b"), users_page([row(2)], "c", ended=True)]
    session, server = scripted_zendesk(*pages)
    assert [one.record_id for one in drained(session, "users")[0]] == ["1", "2"]
    queries = [one["path"].partition("?")[2] for one in server.asked]
    assert queries == ["start_time=0&per_page=1000", "cursor=a%3D&per_page=1000", "cursor=b&per_page=1000"]


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"ratelimit-reset": "7"}, 7.0),
        ({"ratelimit-reset": "7", "Retry-After": "soon"}, 7.0),
        ({"ratelimit-reset": "7", "Retry-After": "9"}, 9.0),
        ({"ratelimit-reset": "7", "Retry-After": "9.5"}, 9.5),
    ],
)
def test_a_rate_limit_is_waited_for_also_without_retry_after(
    scripted_zendesk: Start, waits: list[float], headers: Mapping[str, str], least: float
) -> None:
    limited = Reply({"error": "TooManyRequests"}, 429, headers)
    session, _ = scripted_zendesk(limited, limited, users_page([row(1)], "a", ended=True))
    page = next(session.pull(STREAMS["users"], {}, NO_OVERLAP))
    assert ([one.record_id for one in page.records], page.requests) == (["1"], 3)
    assert len(waits) == 2
    assert all(max(least, 0.1) <= waited <= 30 for waited in waits)


def test_a_rate_limit_without_end_is_given_up(scripted_zendesk: Start, waits: list[float]) -> None:
    session, server = scripted_zendesk(Reply(b"", 429))
    with pytest.raises(RetryableError):
        drained(session, "users")
    assert len(server.asked) == len(waits) + 1 == 5


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "86400"},
        {"Retry-After": "inf"},
        {"ratelimit-reset": "86400"},
        {"ratelimit-reset": "7", "zendesk-ratelimit-incremental-exports": "total=10; remaining=0; resets=86400"},
    ],
)
def test_a_rate_limit_of_a_day_is_not_waited_for(
    scripted_zendesk: Start, waits: list[float], headers: Mapping[str, str]
) -> None:
    session, server = scripted_zendesk(Reply({"error": "TooManyRequests"}, 429, headers))
    with pytest.raises(RetryableError):
        drained(session, "users")
    assert (len(server.asked), waits) == (1, [])


def test_a_second_that_cannot_be_paged_past_is_said_instead_of_asked_for_ever(scripted_zendesk: Start) -> None:
    stuck = organizations_page([row(1)], START, end_of_stream=False, meta={"has_more": False})
    session, server = scripted_zendesk(stuck)
    with pytest.raises(FatalError, match="does not get past one point"):
        list(islice(session.pull(STREAMS["organizations"], {}, NO_OVERLAP), 9))
    starts = [one["path"].partition("?")[2] for one in server.asked]
    assert starts[0::3] == ["start_time=0&per_page=1000", f"start_time={START + 1}&per_page=1000"]
    assert len(server.asked) == 4  # the export twice, the list of what there is, the export behind that second


@pytest.mark.parametrize(("after", "asked"), [("a", 2), (None, 1), (["a"], 1)])
def test_a_cursor_that_leads_nowhere_is_said(scripted_zendesk: Start, after: Any, asked: int) -> None:
    session, server = scripted_zendesk(users_page([row(1)], after))
    with pytest.raises(FatalError, match="does not get past one point"):
        list(islice(session.pull(STREAMS["users"], {}, NO_OVERLAP), 9))
    assert len(server.asked) == asked


def test_what_a_time_export_repeats_is_served_once(scripted_zendesk: Start) -> None:
    first = organizations_page([row(1), row(2, 5)], START + 5, count=1_000)
    second = organizations_page([row(2, 5), row(3, 6)], START + 6, count=2)
    session, server = scripted_zendesk(first, second)
    records, cursor = drained(session, "organizations")
    assert [one.record_id for one in records] == ["1", "2", "3"]
    assert cursor == {"time": START + 6}
    assert f"start_time={START + 5}" in server.asked[1]["path"]


def test_the_cursor_does_not_run_past_the_servers_clock(scripted_zendesk: Start) -> None:
    dates = [format_datetime(datetime.fromtimestamp(START + late, UTC), usegmt=True) for late in (10, 3_600)]
    pages = users_page([row(1, 20)], "a", Date=dates[0]), users_page([row(2, 30)], "b", ended=True, Date=dates[1])
    assert drained(scripted_zendesk(*pages)[0], "users")[1] == {"time": START + 10}
    later = users_page([], "b", ended=True, Date=dates[0])
    assert drained(scripted_zendesk(later)[0], "users", {"time": START + 15})[1] == {"time": START + 15}  # nor back


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply(b"<html>Maintenance</html>"), RetryableError),
        (Reply(b'{"users": [{"id": 1'), RetryableError),
        (Reply(b""), RetryableError),
        (Reply(cut=True), RetryableError),
        (Reply({"users": None, "end_of_stream": True}), FatalError),
        (Reply({"users": ["x"], "end_of_stream": True}), FatalError),
        (Reply({"users": []}), FatalError),
        (Reply({"users": [row(1) | {"updated_at": None}], "end_of_stream": True}), FatalError),
        (Reply({"users": [row(1) | {"id": None}], "end_of_stream": True}), FatalError),
        (Reply(b"", 302, {"Location": "http://127.0.0.1:9/"}), FatalError),
    ],
)
def test_what_is_no_page_is_never_read_as_no_data(
    scripted_zendesk: Start, waits: list[float], answer: Reply, error: type[Exception]
) -> None:
    session, _ = scripted_zendesk(answer)
    with pytest.raises(error) as raised:
        drained(session, "users")
    assert OAUTH_TOKEN not in str(raised.value)
    assert (len(waits) > 0) == (error is RetryableError)


def test_a_server_that_hangs_is_not_waited_for(
    scripted_zendesk: Start, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.http.READ_SECONDS", 0.02)
    answer = Event()
    session, _ = scripted_zendesk(lambda _: Reply({"late": answer.wait(5)}))
    with pytest.raises(RetryableError, match="could not be reached"):
        drained(session, "users")
    answer.set()
    assert len(waits) == 4
