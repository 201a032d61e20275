"""What all CRM clients share over HTTP: retries, what a status means, trustworthy JSON, counting."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from connectors import http
from connectors.base import Budget
from connectors.errors import ConfigError, ConnectorError, FatalError, RetryableError
from tests.connectors.scripted import Reply, Scripted

# --- retried ---


def failing(*errors: Exception) -> Callable[[], str]:
    """A call that raises these one after another and then succeeds."""
    left: Iterator[Exception] = iter(errors)

    def call() -> str:
        for error in left:
            raise error
        return "done"

    return call


def busy(seconds: float | None = None) -> RetryableError:
    return RetryableError("busy", seconds)


def test_what_succeeds_is_not_waited_for(waits: list[float]) -> None:
    assert http.retried(failing()) == "done"
    assert waits == []


def test_waits_grow(waits: list[float]) -> None:
    assert http.retried(failing(busy(), busy(), busy(), busy())) == "done"
    assert waits == [1.0, 2.0, 4.0, 8.0]


def test_waits_grow_no_further_than_half_a_minute(waits: list[float]) -> None:
    http.retried(failing(*[busy()] * 8), attempts=9)
    assert waits[-3:] == [30.0, 30.0, 30.0]


def test_waits_are_spread_at_random(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.http.random", lambda: 0.25)
    http.retried(failing(busy(), busy()))
    assert waits == [0.25, 0.5]


def test_what_the_source_asks_for_is_waited_at_least(waits: list[float]) -> None:
    http.retried(failing(busy(20.0), busy(0.0)))
    assert waits == [20.0, 2.0]


def test_the_last_error_is_raised_when_all_attempts_failed(waits: list[float]) -> None:
    last = busy()
    with pytest.raises(RetryableError) as error:
        http.retried(failing(*[busy()] * 4, last))
    assert error.value is last
    assert len(waits) == 4


@pytest.mark.parametrize(("asked", "waited"), [(120.0, [120.0]), (121.0, [])])
def test_a_long_wait_is_left_to_the_next_run(waits: list[float], asked: float, waited: list[float]) -> None:
    call = failing(busy(asked))
    if waited:
        assert http.retried(call) == "done"
    else:
        with pytest.raises(RetryableError):
            http.retried(call)
    assert waits == waited


def test_no_attempt_begins_later_than_the_patience_lasts(waits: list[float]) -> None:
    with pytest.raises(RetryableError):
        http.retried(failing(*[busy(119.0)] * 20), attempts=20)
    assert waits == [119.0] * int(http.PATIENCE // 119)


@pytest.mark.parametrize("asked", [float("inf"), 1e300])
def test_an_absurd_wait_is_not_waited(waits: list[float], asked: float) -> None:
    with pytest.raises(RetryableError):
        http.retried(failing(busy(asked)))
    assert waits == []


@pytest.mark.parametrize("error", [FatalError("no"), ConfigError("no"), ValueError("no")])
def test_other_errors_are_not_tried_again(waits: list[float], error: Exception) -> None:
    with pytest.raises(type(error)):
        http.retried(failing(error))
    assert waits == []


# --- limits ---


def test_no_more_requests_begin_than_a_limit_allows(waits: list[float]) -> None:
    limiter = http.Limiter(3, 1.0)
    for _ in range(10):
        limiter.wait()
    assert [wait for wait in waits if wait > 0.1] == pytest.approx([1.0, 1.0, 1.0], abs=0.2)


def test_without_a_limit_nothing_is_held_back_until_the_server_says_so(waits: list[float]) -> None:
    limiter = http.Limiter()
    for _ in range(10):
        limiter.wait()
    assert waits == []
    for asked, waited in ((7.0, 7.0), (1e9, http.LONGEST_ASKED)):
        limiter.pause(asked)
        limiter.wait()
        limiter.wait()
        assert waits == pytest.approx([waited], abs=0.2)
        waits.clear()


# --- what a status means ---


@pytest.mark.parametrize(
    ("status", "kind", "remedy"),
    [
        (401, ConfigError, "check them in the environment"),
        (403, ConfigError, "grant it in Acme"),
        (408, RetryableError, "run again later"),
        (423, RetryableError, "run again later"),
        (429, RetryableError, "run again later"),
        (500, RetryableError, "run again later"),
        (503, RetryableError, "run again later"),
        (302, FatalError, "report it"),
        (400, FatalError, "report it"),
        (404, FatalError, "report it"),
    ],
)
def test_a_status_becomes_a_sentence_with_its_remedy(status: int, kind: type[ConnectorError], remedy: str) -> None:
    error = http.failure("Acme", status, {}, "reading contacts")
    assert type(error) is kind
    assert all(part in str(error) for part in ("Acme", str(status), "when reading contacts", remedy))


def test_a_busy_server_says_how_long_to_wait() -> None:
    error = http.failure("Acme", 503, {"Retry-After": "5"}, "reading contacts")
    assert isinstance(error, RetryableError)
    assert error.retry_after == 5.0


NOON = "Sun, 01 Mar 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"RETRY-AFTER": "Sun, 01 Mar 2026 12:00:30 GMT", "Date": NOON}, 30.0),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT", "Date": NOON}, 0.0),
        ({"Retry-After": "Sun, 01 Mar 2020 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30", "Date": NOON}, 30.0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30 -0000", "Date": NOON}, 30.0),
        ({"Retry-After": "Sun, 01 Mar 2026 14:00:30 +0200", "Date": "Sun, 01 Mar 2026 12:00:00"}, 30.0),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -1200", "Date": NOON}, None),
        ({"Retry-After": "nan"}, 0.0),
        ({"Retry-After": "-inf"}, 0.0),
        ({"Retry-After": "Infinity"}, float("inf")),
        ({"Retry-After": "1e3"}, 1000.0),
        ({"Retry-After": "5 seconds"}, None),
        ({"Retry-After": "12:30"}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date_by_the_servers_clock(headers: dict[str, str], seconds: float | None) -> None:
    assert http.retry_after(headers) == seconds


def test_an_unreachable_server_is_named_with_the_variable_that_points_to_it() -> None:
    error = http.unreachable("Acme", TimeoutError("secret"), "reading contacts", "ACME_URL")
    assert "Acme could not be reached when reading contacts (TimeoutError)" in str(error)
    assert "ACME_URL" in str(error)
    assert "secret" not in str(error)


def test_a_write_in_doubt_says_to_read_it_back() -> None:
    error = http.in_doubt("Acme", "answered 502", "writing contacts")
    assert str(error).startswith("Acme answered 502 when writing contacts")
    assert "read it back" in str(error)


# --- JSON ---


@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", b'{"results": [', b"[]", b"null", b'"text"', b"\xff{}", b'{"a": "\xff"}', b"[" * 200_000],
)
def test_what_is_no_json_object_never_passes_for_one(body: bytes) -> None:
    with pytest.raises(RetryableError, match="Acme answered with something else than JSON when reading contacts"):
        http.json_object("Acme", body, "reading contacts")
    assert http.Answer(400, {}, body).said() == {}


def test_a_json_object_is_given_as_it_is() -> None:
    body = '{"name": "Zoë", "n": null}'.encode()
    assert http.json_object("Acme", body, "reading") == http.Answer(400, {}, body).said() == {"name": "Zoë", "n": None}


def test_a_record_as_text_keeps_order_and_letters() -> None:
    assert http.compact({"b": "Zoë", "a": [1, None]}) == '{"b":"Zoë","a":[1,null]}'


def test_half_a_surrogate_pair_is_replaced_and_whole_ones_stay() -> None:
    cut = json.loads(r'{"comment": "good \ud83d\ude00, very \ud83d"}')  # as a text that was cut inside an emoji
    assert http.compact(cut) == '{"comment":"good \U0001f600, very \ufffd"}'
    assert http.compact(cut).encode()


# --- counting ---


def budget_of(headers: Any) -> Budget | None:
    return Budget(100, int(headers["x-left"]), "day") if "x-left" in headers else None


def test_answers_are_counted_since_the_last_question() -> None:
    meter = http.Meter()
    assert meter.since_last() == (0, 0)
    meter.count({}, 10)
    meter.count({}, 5)
    assert meter.since_last() == (2, 15)
    meter.count({}, 1)
    assert meter.since_last() == (1, 1)
    assert (meter.requests, meter.bytes) == (3, 16)


def test_the_latest_budget_and_clock_stand_until_an_answer_tells_others() -> None:
    meter = http.Meter(budget_of)
    assert (meter.budget, meter.server_time) == (None, None)
    meter.count({"X-Left": "7", "date": NOON}, 0)
    meter.count({"Date": "yesterday"}, 0)
    assert meter.budget == Budget(100, 7, "day")
    assert meter.server_time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    meter.count({"x-left": "6"}, 0)
    assert meter.budget == Budget(100, 6, "day")


def test_a_watched_session_counts_every_answer_redirects_too(answering: Callable[..., Scripted]) -> None:
    server = answering(Reply("there", 302, {"Location": "/other"}), Reply({"ok": 1}, headers={"X-Left": "3"}))
    meter = http.Meter(budget_of)
    with requests.Session() as session:
        meter.watch(session)
        session.get(server.url, timeout=10)
    assert meter.since_last() == (2, len("there") + len('{"ok": 1}'))
    assert meter.budget == Budget(100, 3, "day")
