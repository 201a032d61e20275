"""Faults of Zendesk or the way to it in the middle of a pull: nothing is lost, and nothing is asked for ever."""

from __future__ import annotations

import pytest

from connectors.errors import ConfigError
from tests.connectors.scripted import Reply
from tests.connectors.zendesk_accounts import NO_OVERLAP, START, STREAMS, Start, drained, row, users_page


def users(ids: list[int], after: str, *, ended: bool = False) -> Reply:
    return users_page([row(one, one) for one in ids], after, ended=ended)


@pytest.mark.parametrize(
    "fault",
    [
        Reply(b"", 500),
        Reply(b"<html>", 502),
        Reply(b"", 503),
        Reply(b"", 504),
        Reply(b"", 429),
        Reply(b"", 429, {"Retry-After": "1"}),
        Reply({"error": "Conflict"}, 409),
        Reply(b"<html>Maintenance</html>"),
        Reply(b'{"users": [{"id": 1'),
        Reply(b""),
        Reply(cut=True),
        Reply({"users": [], "end_of_stream": True}, headers={"Content-Length": "9999"}),
    ],
)
def test_after_a_fault_the_same_page_is_asked_again(scripted_zendesk: Start, waits: list[float], fault: Reply) -> None:
    session, server = scripted_zendesk(users([1], "a"), fault, users([2], "b"), users([3], "c", ended=True))
    served, cursor = drained(session, "users")
    assert ([one.record_id for one in served], cursor) == (["1", "2", "3"], {"time": START + 3})
    assert server.asked[1] == server.asked[2]
    assert (len(server.asked), len(waits)) == (4, 1)


@pytest.mark.parametrize("answer", [Reply(b"", 401), Reply({"error": {"title": "Forbidden"}}, 403)])
def test_a_token_that_ends_in_the_middle_is_said_at_once(
    scripted_zendesk: Start, waits: list[float], answer: Reply
) -> None:
    session, server = scripted_zendesk(users([1], "a"), answer)
    pages = session.pull(STREAMS["users"], {}, NO_OVERLAP)
    first = next(pages)
    with pytest.raises(ConfigError):
        next(pages)
    assert ([one.record_id for one in first.records], first.cursor) == (["1"], {"time": START + 1})
    assert (len(server.asked), waits) == (2, [])


def test_rows_that_come_in_any_order_and_twice_end_at_the_latest(scripted_zendesk: Start) -> None:
    session, _ = scripted_zendesk(users([5, 3], "a"), users([3, 9, 5], "b"), users([4], "c", ended=True))
    served, cursor = drained(session, "users")
    assert [one.record_id for one in served] == ["5", "3", "3", "9", "5", "4"]  # landing keeps each version once
    assert cursor == {"time": START + 9}
