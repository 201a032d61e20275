"""Writing scores to Zendesk users: the sandbox's jobs, and answers that leave open what became of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from connectors import zendesk_client, zendesk_writes
from connectors.base import Change, Kind, Session, Value, WriteResult
from connectors.errors import ConfigError, ConnectorError, InDoubtError, RetryableError
from connectors.zendesk import CONNECTOR, USER, ZendeskSettings
from sandbox.serve import Sandbox
from sandbox.zendesk.service import OAUTH_TOKEN
from tests.connectors.scripted import Reply, Scripted
from tests.connectors.zendesk_accounts import Start

FIELDS: dict[str, Kind] = {"nps_score": "number", "nps_category": "text", "nps_responded_at": "date"}
DEFINED = Reply({"user_fields": [{"key": name, "active": True} for name in FIELDS], "next_page": None})
QUEUED = Reply({"job_status": {"id": "V3-1", "status": "queued", "results": None}})
UPDATED = {"action": "update", "status": "Updated", "success": True}


@pytest.fixture
def session(fresh_sandbox: Sandbox) -> Iterator[Session]:
    made = CONNECTOR.connect(ZendeskSettings(), fresh_sandbox.environment)
    yield made
    made.close()


@pytest.fixture
def scripted(scripted_zendesk: Start, monkeypatch: pytest.MonkeyPatch) -> Start:
    """A session with a server that knows the user fields and then gives these replies; jobs are asked for at once."""
    monkeypatch.setattr(zendesk_writes, "FIRST_POLL", 0.001)
    return lambda *replies: scripted_zendesk(DEFINED, *replies)


def change(record_id: str, **values: str | None) -> Change:
    return Change(f"op-{record_id}", record_id, {name: Value(FIELDS[name], text) for name, text in values.items()})


def scores(*record_ids: str) -> list[Change]:
    return [change(record_id, nps_score="9") for record_id in record_ids]


def job(status: str, results: Sequence[Mapping[str, Any]] | None = None) -> Reply:
    return Reply({"job_status": {"id": "V3-1", "status": status, "results": results}})


def present(**by_id: Any) -> Reply:
    users = [{"id": int(key[1:]), "active": True, "user_fields": {"nps_score": score}} for key, score in by_id.items()]
    return Reply({"users": users})


def codes(results: Sequence[WriteResult]) -> list[str | None]:
    return [result.error_code for result in results]


def some_users(sandbox: Sandbox, number: int) -> list[str]:
    return list(sandbox.control["zendesk"].state("users"))[1 : number + 1]


def puts(server: Scripted) -> int:
    return sum("update_many" in one["path"] for one in server.asked)


def test_a_score_is_written_and_reads_back(fresh_sandbox: Sandbox, session: Session) -> None:
    control, (user,) = fresh_sandbox.control["zendesk"], some_users(fresh_sandbox, 1)
    wanted = {"nps_score": "9", "nps_category": "promoter", "nps_responded_at": "2026-03-01"}
    (result,) = session.push(USER, [change(user, **wanted)])
    stored = control.state("users")[user]
    assert stored["fields"]["user_fields"] == {
        "nps_score": 9, "nps_category": "promoter", "nps_responded_at": "2026-03-01T00:00:00+00:00",
    }  # fmt: skip
    assert (result.op_id, result.error_code) == (f"op-{user}", None)
    assert result.written_at is not None
    # Our own write is observed as not older than itself; what stood there before is.
    assert result.written_at <= datetime.fromisoformat(stored["modified"])
    assert session.read_back(USER, [user], FIELDS) == {user: wanted}
    assert len(control.writes()) == 1


def test_the_time_of_a_write_is_when_the_server_took_the_job(scripted: Start) -> None:
    times = [datetime(2026, 3, 1, 9, 30, second, tzinfo=UTC) for second in (5, 7, 9)]
    dates = [{"Date": format_datetime(moment, usegmt=True)} for moment in times]
    done = job("completed", [UPDATED | {"id": 7}]).body
    session, server = scripted()
    server.replies = (
        Reply(DEFINED.body, headers=dates[0]), Reply(QUEUED.body, headers=dates[1]), Reply(done, headers=dates[2]),
    )  # fmt: skip
    (result,) = session.push(USER, scores("7"))
    assert result.written_at == times[1]  # a person's edit while the job ran must not seem older than it


def test_a_full_batch_is_one_write(fresh_sandbox: Sandbox, session: Session) -> None:
    users = some_users(fresh_sandbox, USER.batch_size)
    assert codes(session.push(USER, scores(*users))) == [None] * 100
    assert len(fresh_sandbox.control["zendesk"].writes()) == 1
    read = session.read_back(USER, [*users, "404"], {"nps_score": "number"})  # in two requests
    assert read == {user: {"nps_score": "9"} for user in users}


def test_refused_rows_are_told_from_written_ones(fresh_sandbox: Sandbox, session: Session) -> None:
    control, users = fresh_sandbox.control["zendesk"], some_users(fresh_sandbox, 4)
    control.delete("users", users[3])
    changes = [
        change(users[0], nps_category="happy"),
        change(users[1], nps_category="passive"),
        change(users[2], nps_category="Promoter"),
        change(users[3], nps_score="9"),
        change("404", nps_score="9"),
    ]
    results = session.push(USER, changes)
    failed, absent = "UserUpdateError", "UserUpdateFailed"
    assert codes(results) == [failed, None, failed, absent, absent]
    assert [result.op_id for result in results] == [one.op_id for one in changes]
    assert [result.written_at is None for result in results] == [True, False, True, True, True]
    assert session.read_back(USER, [users[0], users[3]], FIELDS) == {users[0]: dict.fromkeys(FIELDS)}


def test_none_clears_a_field_and_leaves_the_others(fresh_sandbox: Sandbox, session: Session) -> None:
    (user,) = some_users(fresh_sandbox, 1)
    session.push(USER, [change(user, nps_score="3", nps_category="detractor", nps_responded_at="2026-03-01")])
    assert codes(session.push(USER, [change(user, nps_score=None, nps_responded_at=None)])) == [None]
    wanted = {"nps_score": None, "nps_category": "detractor", "nps_responded_at": None}
    assert session.read_back(USER, [user], FIELDS) == {user: wanted}


def test_a_field_that_zendesk_would_ignore_is_named_before_anything_is_written(
    fresh_sandbox: Sandbox, session: Session
) -> None:
    control, (user,) = fresh_sandbox.control["zendesk"], some_users(fresh_sandbox, 1)
    wrong = Change("op", user, {"nps_score": Value("number", "9"), "nps_mood": Value("text", "fine")})
    with pytest.raises(ConfigError, match="nps_mood among its user fields"):
        session.push(USER, [wrong])
    assert control.writes() == []


def test_a_field_that_is_switched_off_counts_as_absent(scripted: Start) -> None:
    session, server = scripted()
    server.replies = (Reply({"user_fields": [{"key": "nps_score", "active": False}], "next_page": None}),)
    with pytest.raises(ConfigError, match="nps_score"):
        session.push(USER, scores("7"))


MORE = {"has_more": True, "after_cursor": "a"}


@pytest.mark.parametrize(
    ("told", "further"),
    [
        ({"meta": MORE, "links": {"next": "http://elsewhere.example/"}}, ["page%5Bsize%5D=100&page%5Bafter%5D=a"]),
        ({"next_page": "http://elsewhere.example/", "count": 4}, ["page=2"]),  # a server without cursors
    ],
)
def test_user_fields_are_known_from_all_pages_and_asked_for_once(
    scripted: Start, told: dict[str, Any], further: list[str]
) -> None:
    session, server = scripted()
    page = Reply({"user_fields": [{"key": "nps_score", "active": True}], **told})
    done = (QUEUED, job("completed", [UPDATED | {"id": 7}]))
    server.replies = (page, DEFINED, *done, *done)
    for _ in range(2):
        assert codes(session.push(USER, [change("7", nps_score="9", nps_category="promoter")])) == [None]
    paged = [one["path"].partition("?")[2] for one in server.asked if "user_fields" in one["path"]]
    assert paged == ["page%5Bsize%5D=100", *further]


def test_user_fields_without_end_are_not_read_for_ever(scripted: Start) -> None:
    page = Reply({"user_fields": [{"key": "shoe_size", "active": True}], "next_page": "further"})
    session, server = scripted()
    server.replies = (*[page] * 150, DEFINED)
    with pytest.raises(ConfigError, match="has no nps_score"):
        session.push(USER, scores("7"))
    assert len(server.asked) == zendesk_client.MOST_PAGES


def test_a_job_is_asked_for_until_it_has_ended(scripted: Start) -> None:
    session, server = scripted(QUEUED, job("queued"), job("working"), job("completed", [UPDATED | {"id": 7}]))
    assert codes(session.push(USER, scores("7"))) == [None]
    assert [one["path"].partition("?")[0] for one in server.asked[2:]] == ["/api/v2/job_statuses/V3-1.json"] * 3
    assert server.asked[1]["body"] == {"users": [{"id": 7, "user_fields": {"nps_score": 9}}]}


@pytest.mark.parametrize(
    ("text", "sent"), [("9", 9), ("9.0", 9), ("6.5", 6.5), ("9007199254740993", 9_007_199_254_740_993), (None, None)]
)
def test_a_number_is_sent_as_it_is(scripted: Start, text: str | None, sent: float | None) -> None:
    session, server = scripted(QUEUED, job("completed", [UPDATED | {"id": "7"}]))
    assert codes(session.push(USER, [change("7", nps_score=text)])) == [None]
    assert server.asked[1]["body"] == {"users": [{"id": 7, "user_fields": {"nps_score": sent}}]}


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(cut=True)],
        [Reply(b"", 500)],
        [Reply(b"", 408)],
        [Reply(b"", 202)],
        [Reply(b"<html>")],
        [Reply({})],
        [Reply({"job_status": {}})],
        [QUEUED, Reply({"error": "RecordNotFound"}, 404)],
        [QUEUED, Reply(cut=True)],
        [QUEUED, Reply(b"", 401)],
        [QUEUED, job("completed"), Reply({"users": None})],
        [QUEUED, job("completed"), Reply({"users": ["x"]})],
    ],
)
def test_a_batch_whose_end_is_not_seen_is_in_doubt_and_sent_once(
    scripted: Start, waits: list[float], replies: Sequence[Reply]
) -> None:
    session, server = scripted(*replies)
    with pytest.raises(InDoubtError) as error:
        session.push(USER, scores("7"))
    assert puts(server) == 1
    assert OAUTH_TOKEN not in str(error.value)
    assert bool(waits) == (replies[-1].cut and len(replies) > 1)  # reads are repeated, writes are not


def test_a_job_without_end_is_in_doubt(scripted: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zendesk_writes, "JOB_SECONDS", 0.05)
    session, _ = scripted(QUEUED, job("working"))
    with pytest.raises(InDoubtError):
        session.push(USER, scores("7"))


def test_a_rate_limited_write_is_repeated(scripted: Start, waits: list[float]) -> None:
    limited = Reply({"error": "TooManyRequests"}, 429, {"Retry-After": "3"})
    session, server = scripted(limited, QUEUED, job("completed", [UPDATED | {"id": 7}]))
    assert codes(session.push(USER, scores("7"))) == [None]
    assert (puts(server), waits) == (2, [3.0])


@pytest.mark.parametrize(("status", "error"), [(429, RetryableError), (401, ConfigError), (403, ConfigError)])
def test_a_refused_batch_is_not_in_doubt(
    scripted: Start,
    waits: list[float],  # noqa: ARG001 - so that nothing waits
    status: int,
    error: type[ConnectorError],
) -> None:
    session, _ = scripted(Reply(b"", status))
    with pytest.raises(error):
        session.push(USER, scores("7"))


def test_a_row_without_a_result_counts_as_what_it_reads_like(scripted: Start) -> None:
    told = [UPDATED | {"id": 5}, {"id": 6, "status": "Updated"}, {"id": 7, "status": "Updated"}]
    session, _ = scripted(QUEUED, job("completed", told), present(u6=9, u7=3, u8=9, u9=None))
    wrong = "UserNotUpdated"
    assert codes(session.push(USER, scores("5", "6", "7", "8", "9"))) == [None, None, wrong, None, wrong]


@pytest.mark.parametrize("status", ["failed", "killed"])
def test_a_failed_job_counts_as_what_the_users_read_like(scripted: Start, status: str) -> None:
    session, _ = scripted(QUEUED, job(status), present(u7=9, u8=3))
    assert codes(session.push(USER, scores("7", "8"))) == [None, "UserNotUpdated"]


def test_a_code_goes_to_the_row_that_it_can_only_be_about(scripted: Start) -> None:
    failed = [{"id": 1, "error": "UserUpdateError", "details": "somebody@example.com", "status": "Failed"}]
    session, _ = scripted(QUEUED, job("completed", [UPDATED | {"id": 1}, *failed]), present(u7=None))
    assert codes(session.push(USER, scores("1", "7"))) == [None, "UserUpdateError"]  # user 1 was written: a place
    session, _ = scripted(QUEUED, job("completed", failed), present(u1=None, u7=None))
    assert codes(session.push(USER, scores("1", "7"))) == ["UserNotUpdated"] * 2  # user 1, or place 1
    session, _ = scripted(QUEUED, job("completed", [failed[0] | {"index": 0, "id": 7}]), present(u1=None, u7=9))
    assert codes(session.push(USER, scores("1", "7"))) == ["UserUpdateError", None]


def test_a_code_that_is_a_sentence_is_not_passed_on(scripted: Start) -> None:
    session, _ = scripted(QUEUED, job("completed", [{"index": 0, "error": "somebody@example.com is bad"}]), present())
    assert codes(session.push(USER, scores("7"))) == ["UserNotUpdated"]


def test_a_deleted_user_is_gone(scripted: Start) -> None:
    session, server = scripted()
    server.replies = (Reply({"users": [{"id": 7, "active": False, "user_fields": {"nps_score": 9}}]}),)
    assert session.read_back(USER, ["7"], {"nps_score": "number"}) == {}
