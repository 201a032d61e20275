"""The Zendesk account through zenpy: exports, users and their updates as jobs, fields, ratings, credentials."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from zenpy.lib.api_objects import User, UserField
from zenpy.lib.exception import APIException, RecordNotFoundException, TooManyValuesException

from sandbox.serve import Sandbox, site
from sandbox.servers import Servers
from sandbox.store import Record
from sandbox.zendesk.ids import AGENT_ID, COMMENT_FIELD, SCORE_FIELD
from sandbox.zendesk.service import Zendesk

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def get(sandbox: Sandbox) -> Callable[..., Any]:
    """Reads a path under /api/v2 as JSON, past the client."""
    session = requests.Session()
    session.auth = (f"{sandbox.environment['ZENDESK_EMAIL']}/token", sandbox.environment["ZENDESK_TOKEN"])

    def read(path: str, **parameters: Any) -> Any:
        url = path if path.startswith("http") else f"{sandbox.urls['zendesk']}/api/v2/{path}"
        answer = session.get(url, params=parameters, timeout=10)
        return answer.json() | {"_status": answer.status_code, "_headers": answer.headers}

    return read


def table(sandbox: Sandbox, name: str) -> dict[str, dict[str, Any]]:
    return sandbox.control["zendesk"].state(name)


def some_users(client: Any, number: int) -> list[Any]:
    users = [one for one in client.users.incremental(start_time=0) if one.role == "end-user"]
    return users[:number]


def test_an_export_by_cursor_is_complete(zendesk: Any, sandbox: Sandbox) -> None:
    assert {str(one.id) for one in zendesk.tickets.incremental(start_time=0)} == set(table(sandbox, "tickets"))
    assert {str(one.id) for one in zendesk.users.incremental(start_time=0)} == set(table(sandbox, "users"))


def test_a_cursor_is_followed_in_order_of_time_and_id(get: Callable[..., Any], sandbox: Sandbox) -> None:
    seen, page = [], get("incremental/tickets/cursor.json", start_time=0, per_page=150)
    while True:
        seen += [(one["generated_timestamp"], one["id"]) for one in page["tickets"]]
        assert (page["before_url"], page["before_cursor"]) == (None, None)
        time_, _, last = base64.b64decode(page["after_cursor"]).decode().partition(".0||")
        assert (int(time_), int(last.rstrip("|"))) == seen[-1]
        assert page["after_url"].startswith(sandbox.urls["zendesk"])  # the last page has a link too
        if page["end_of_stream"]:
            break
        page = get(page["after_url"])
    assert seen == sorted(seen)
    assert len(seen) == 399


def test_a_drained_cursor_brings_what_changed_since(get: Callable[..., Any], sandbox: Sandbox) -> None:
    drained = get("incremental/users/cursor.json", start_time=0)
    assert drained["end_of_stream"]
    again = get(drained["after_url"])
    assert (again["users"], again["end_of_stream"], again["after_cursor"]) == ([], True, drained["after_cursor"])
    changed = str(drained["users"][0]["id"])
    sandbox.control["zendesk"].edit("users", changed, name="Somebody Else")
    assert [str(one["id"]) for one in get(drained["after_url"])["users"]] == [changed]


def test_tickets_go_by_a_timestamp_that_only_exports_show(zendesk: Any, get: Callable[..., Any]) -> None:
    ticket = get("incremental/tickets/cursor.json", start_time=0, per_page=1)["tickets"][0]
    updated = datetime.fromisoformat(ticket["updated_at"]).timestamp()
    assert ticket["generated_timestamp"] == updated + 1
    assert "generated_timestamp" not in zendesk.tickets(id=ticket["id"]).to_dict()


def test_the_nps_fields_stand_in_custom_fields(get: Callable[..., Any]) -> None:
    tickets = get("incremental/tickets/cursor.json", start_time=0)["tickets"]
    for ticket in tickets:
        assert [one["id"] for one in ticket["custom_fields"]] == [SCORE_FIELD, COMMENT_FIELD]
        assert ticket["custom_fields"] == ticket["fields"]
    scores = [ticket["custom_fields"][0]["value"] for ticket in tickets]
    assert {type(score) for score in scores} == {str, type(None)}
    assert {"10", "0", "ten", None} <= set(scores)


def test_deleted_records_stay_in_exports(get: Callable[..., Any], zendesk: Any, sandbox: Sandbox) -> None:
    gone = {name: next(iter(table(sandbox, name))) for name in ("tickets", "organizations")}
    gone["users"] = str(some_users(zendesk, 1)[0].id)
    for name, record_id in gone.items():
        sandbox.control["zendesk"].delete(name, record_id)
    tickets = get("incremental/tickets/cursor.json", start_time=0)["tickets"]
    users = get("incremental/users/cursor.json", start_time=0)["users"]
    organizations = get("incremental/organizations.json", start_time=0)["organizations"]
    assert [str(one["id"]) for one in tickets if one["status"] == "deleted"] == [gone["tickets"]]
    assert [str(one["id"]) for one in users if not one["active"]] == [gone["users"]]
    assert [str(one["id"]) for one in organizations if one["deleted_at"]] == [gone["organizations"]]
    with pytest.raises(RecordNotFoundException):
        zendesk.users(id=int(gone["users"]))


def test_an_export_by_time_ends_at_the_last_second(get: Callable[..., Any], zendesk: Any, sandbox: Sandbox) -> None:
    page = get("incremental/organizations.json", start_time=0)
    times = [datetime.fromisoformat(one["updated_at"]).timestamp() for one in page["organizations"]]
    assert (page["count"], page["end_of_stream"], page["end_time"]) == (32, True, max(times))
    assert page["next_page"].endswith(f"start_time={page['end_time']}")
    assert {str(one.id) for one in zendesk.organizations.incremental(start_time=1)} == set(
        table(sandbox, "organizations")
    )
    nothing = get("incremental/organizations.json", start_time=int(max(times)) + 1)
    assert (nothing["count"], nothing["end_time"], nothing["next_page"]) == (0, None, None)


@pytest.fixture
def crowded() -> Any:
    """A site of an account whose organizations changed 3, 2 and then 1,200 to a second."""
    seconds = [0] * 3 + [1] * 2 + [2] * 1_200
    records = [
        Record(str(number), {"name": "x"}, MOMENT, MOMENT + timedelta(seconds=second))
        for number, second in enumerate(seconds, start=1)
    ]
    names = ("organizations", "users", "tickets", "satisfaction_ratings")
    return site(Zendesk({name: [] for name in names} | {"organizations": records}))


def test_an_export_by_time_splits_no_second_but_an_overfull_one(crowded: Any, get: Callable[..., Any]) -> None:
    start = int(MOMENT.timestamp())
    with Servers([crowded]) as servers:
        url = f"{servers.urls[0]}/api/v2/incremental/organizations.json"
        pages = [get(url, start_time=start + second, per_page=1) for second in (0, 1, 2)]
    assert [(page["count"], page["end_time"] - start) for page in pages] == [(3, 1), (2, 2), (1_000, 2)]
    assert [page["end_of_stream"] for page in pages] == [False, False, False]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("incremental/users/cursor.json", {}),
        ("incremental/users/cursor.json", {"cursor": "nonsense"}),
        ("incremental/users/cursor.json", {"start_time": 0, "per_page": 1001}),
        ("incremental/organizations.json", {"start_time": "yesterday"}),
    ],
)
def test_exports_refuse_bad_parameters(get: Callable[..., Any], path: str, parameters: dict[str, Any]) -> None:
    assert get(path, **parameters)["_status"] == 400


def test_many_users_are_shown_by_id_and_by_external_id(zendesk: Any) -> None:
    users = some_users(zendesk, 300)
    assert {one.id for one in zendesk.users(ids=[one.id for one in users[:3]])} == {one.id for one in users[:3]}
    with_external = next(one for one in users if one.external_id)
    assert [one.id for one in zendesk.users(external_ids=[with_external.external_id])] == [with_external.id]
    with pytest.raises(TooManyValuesException):
        zendesk.users(ids=[one.id for one in users[:101]])


def wait(client: Any, job: Any) -> Any:
    deadline = time.monotonic() + 5
    while job.status != "completed" and time.monotonic() < deadline:
        time.sleep(0.02)
        job = client.job_status(id=job.id)
    return job


def results(get: Callable[..., Any], job: Any) -> Any:
    return get(f"job_statuses/{job.id}.json")["job_status"]["results"]


def test_an_update_is_a_job_that_is_queued_and_then_completed(
    zendesk: Any, sandbox: Sandbox, get: Callable[..., Any]
) -> None:
    first, second = some_users(zendesk, 2)
    before = table(sandbox, "users")[str(first.id)]["modified"]
    values = {"nps_score": 9, "nps_category": "promoter", "nps_responded_at": "2026-03-01T09:30:00Z", "unknown": 1}
    job = zendesk.users.update([User(id=second.id, user_fields=values), User(id=first.id, user_fields=values)])
    assert (job.status, job.progress, job.results, job.total) == ("queued", None, None, 2)
    job = wait(zendesk, job)
    assert (job.status, job.progress) == ("completed", 2)
    assert results(get, job) == [
        {"id": one.id, "action": "update", "status": "Updated", "success": True} for one in (second, first)
    ]
    stored = table(sandbox, "users")[str(first.id)]
    assert stored["modified"] > before
    assert dict(zendesk.users(id=first.id).user_fields) == {
        "nps_score": 9, "nps_category": "promoter", "nps_responded_at": "2026-03-01T00:00:00+00:00",
    }  # fmt: skip


def test_writing_what_is_there_changes_nothing(zendesk: Any, sandbox: Sandbox) -> None:
    user = some_users(zendesk, 1)[0]
    for _ in range(2):
        wait(zendesk, zendesk.users.update([User(id=user.id, user_fields={"nps_score": 3})]))
        sandbox_state = table(sandbox, "users")[str(user.id)]
    wait(zendesk, zendesk.users.update([User(id=user.id, user_fields={"nps_score": 3})]))
    assert table(sandbox, "users")[str(user.id)] == sandbox_state


def test_null_clears_a_field_and_leaves_the_others(zendesk: Any, sandbox: Sandbox) -> None:
    user = some_users(zendesk, 1)[0]
    for values in ({"nps_score": 3, "nps_category": "detractor"}, {"nps_score": None}):
        wait(zendesk, zendesk.users.update([User(id=user.id, user_fields=values)]))
    fields = table(sandbox, "users")[str(user.id)]["fields"]["user_fields"]
    assert fields == {"nps_score": None, "nps_category": "detractor"}


@pytest.mark.parametrize(
    "bad",
    [
        {"user_fields": {"nps_score": "nine"}},
        {"user_fields": {"nps_category": "happy"}},
        {"user_fields": {"nps_responded_at": "yesterday"}},
        {"email": "no address"},
        {"name": ""},
    ],
)
def test_a_completed_job_may_have_failed_rows(
    zendesk: Any, sandbox: Sandbox, get: Callable[..., Any], bad: dict[str, Any]
) -> None:
    first, second = some_users(zendesk, 2)
    job = zendesk.users.update([User(id=first.id, user_fields={"nps_score": 3}), User(id=second.id, **bad)])
    done, failed = results(get, wait(zendesk, job))
    assert done["success"] is True
    assert (failed["id"], failed["error"], failed["status"]) == (1, "UserUpdateError", "Failed")
    assert table(sandbox, "users")[str(first.id)]["fields"]["user_fields"]["nps_score"] == 3
    assert "user_fields" not in table(sandbox, "users")[str(second.id)]["fields"]


def test_a_row_for_nobody_fails_without_status_and_success(zendesk: Any, get: Callable[..., Any]) -> None:
    job = wait(zendesk, zendesk.users.update([User(id=404, user_fields={"nps_score": 3})]))
    result = results(get, job)[0]
    assert (result["index"], result["id"]) == (0, 404)
    assert not {"status", "success"} & set(result)


def test_a_call_takes_a_hundred_users(zendesk: Any) -> None:
    users = [User(id=404, name="x")] * 101
    with pytest.raises(TooManyValuesException):
        zendesk.users.update(users)
    assert len(wait(zendesk, zendesk.users.update(users[:100])).results) == 100


def test_an_unknown_job_is_a_404(zendesk: Any) -> None:
    with pytest.raises(RecordNotFoundException):
        zendesk.job_status(id="V3-nonsense")


def test_user_fields_are_listed_and_created(zendesk: Any) -> None:
    assert {one.key: one.type for one in zendesk.user_fields()} == {
        "nps_score": "integer", "nps_category": "dropdown", "nps_responded_at": "date",
    }  # fmt: skip
    made = zendesk.user_fields.create(UserField(key="nps_trend", type="text", title="Trend"))
    assert (made.key, made.active) == ("nps_trend", True)
    user = some_users(zendesk, 1)[0]
    assert "nps_trend" in dict(user.user_fields)
    for bad in ({"key": "nps_trend", "type": "text", "title": "x"}, {"key": "a", "type": "guess", "title": "x"}):
        with pytest.raises(APIException) as error:
            zendesk.user_fields.create(UserField(**bad))
        assert error.value.response.status_code == 422


def test_ticket_fields_can_be_checked(zendesk: Any) -> None:
    assert zendesk.ticket_fields(id=SCORE_FIELD).type == "text"
    assert COMMENT_FIELD in [one.id for one in zendesk.ticket_fields()]
    with pytest.raises(RecordNotFoundException):
        zendesk.ticket_fields(id=1)


def test_definitions_are_paged_by_cursor_where_asked_for(get: Callable[..., Any]) -> None:
    for kind, number in (("ticket_fields", 4), ("user_fields", 3)):
        whole = get(f"{kind}.json")
        assert (len(whole[kind]), whole["next_page"], "meta" in whole) == (number, None, False)
        first = get(f"{kind}.json", **{"page[size]": number - 1})
        rest = get(first["links"]["next"])
        assert sorted(one["id"] for one in first[kind] + rest[kind]) == sorted(one["id"] for one in whole[kind])
        assert [page["meta"]["has_more"] for page in (first, rest)] == [True, False]
        assert get(f"{kind}.json", **{"page[size]": 101})["_status"] == 400


def test_satisfaction_is_a_word_and_listed_by_cursor(zendesk: Any, get: Callable[..., Any], sandbox: Sandbox) -> None:
    ratings = list(zendesk.satisfaction_ratings())
    assert len(ratings) == len(table(sandbox, "satisfaction_ratings")) == 115
    assert {one.score for one in ratings} <= {"good", "bad", "offered"}
    first = get("satisfaction_ratings.json", **{"page[size]": 50})
    assert (first["meta"]["has_more"], len(first["satisfaction_ratings"])) == (True, 50)
    bad = get("satisfaction_ratings.json", score="bad", start_time=0)
    assert {one["score"] for one in bad["satisfaction_ratings"]} == {"bad"}
    rated = zendesk.tickets(id=ratings[0].ticket_id)
    assert rated.satisfaction_rating.score == ratings[0].score


def test_lists_are_paged_by_number_too(get: Callable[..., Any]) -> None:
    first = get("users.json", per_page=100)
    assert (first["count"], len(first["users"])) == (230, 100)
    rest = get(get(first["next_page"])["next_page"])
    assert (len(rest["users"]), rest["next_page"]) == (30, None)


def test_single_records_are_shown(zendesk: Any) -> None:
    ticket = next(zendesk.tickets.incremental(start_time=0))
    user = zendesk.users(id=zendesk.tickets(id=ticket.id).requester_id)
    assert "@" in user.email or user.email is None
    with_organization = next(one for one in some_users(zendesk, 50) if one.organization_id)
    assert zendesk.organizations(id=with_organization.organization_id).name


def test_both_kinds_of_credentials_are_known(sandbox: Sandbox, zendesk_login: Callable[..., Any]) -> None:
    way = sandbox.logins["zendesk"]["oauth"]
    for client in (
        zendesk_login(oauth_token=way["ZENDESK_OAUTH_TOKEN"]),
        zendesk_login(email=sandbox.environment["ZENDESK_EMAIL"], token=sandbox.environment["ZENDESK_TOKEN"]),
    ):
        assert client.users.me().id == AGENT_ID


@pytest.mark.parametrize("wrong", [{"email": "a@b.example", "token": "guess"}, {"oauth_token": "guess"}])
def test_wrong_credentials_make_an_anonymous_user_and_else_a_401(
    zendesk_login: Callable[..., Any], wrong: dict[str, str]
) -> None:
    stranger = zendesk_login(**wrong)
    me = stranger.users.me()
    assert (me.id, me.name) == (None, "Anonymous user")
    with pytest.raises(APIException) as error:
        list(stranger.tickets.incremental(start_time=0))
    assert error.value.response.status_code == 401
    assert error.value.response.json() == {"error": "Couldn't authenticate you"}


def test_answers_tell_what_is_left_of_the_minute(get: Callable[..., Any]) -> None:
    headers = get("users/me.json")["_headers"]
    assert headers["x-rate-limit"] == headers["ratelimit-limit"] == "700"
    assert int(headers["x-rate-limit-remaining"]) < 700
    assert 0 <= int(headers["ratelimit-reset"]) <= 60


def test_paths_answer_with_and_without_json(get: Callable[..., Any]) -> None:
    assert get("users/me")["user"] == get("users/me.json")["user"]
    assert get("no/such/path.json")["_status"] == 404
