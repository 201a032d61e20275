"""Every request to HubSpot is one that its published specification allows: paths, parameters, types, values, limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from connectors.base import Change, Session, Value
from connectors.hubspot_streams import required
from tests.connectors.hubspot_pulls import CONNECTED, EVERY_STREAM, EVERYTHING, Login, pulled
from tests.connectors.scripted import Reply, Scripted

SINCE = {"modified": "2026-01-01T00:00:00.000+00:00", "archived": "2020-01-01T00:00:00.000+00:00"}
OPERATORS = (
    "BETWEEN", "CONTAINS_TOKEN", "EQ", "GT", "GTE", "HAS_PROPERTY", "IN", "LT", "LTE", "NEQ", "NOT_CONTAINS_TOKEN",
    "NOT_HAS_PROPERTY", "NOT_IN",
)  # fmt: skip
Judge = Callable[[Any], bool]


def text(value: Any) -> bool:
    return isinstance(value, str)


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(text, value))


def list_of(most: int, judge: Judge) -> Judge:
    return lambda value: isinstance(value, list) and 1 <= len(value) <= most and all(map(judge, value))


def whole_number(most: int) -> Judge:
    return lambda value: type(value) is int and 1 <= value <= most


def one_of(*words: str) -> Judge:
    return lambda value: value in words


def an_object(needed: Mapping[str, Judge], allowed: Mapping[str, Judge] | None = None) -> Judge:
    """An object with these members and, perhaps, those; no others."""
    known = {**needed, **(allowed or {})}
    return lambda value: (
        isinstance(value, dict)
        and needed.keys() <= value.keys() <= known.keys()
        and all(known[name](one) for name, one in value.items())
    )


FILTER = an_object({"propertyName": text, "operator": one_of(*OPERATORS)}, {"value": text, "values": texts})
SORT = an_object({"propertyName": text, "direction": one_of("ASCENDING", "DESCENDING")})  # as the guide to search says
SEARCH = an_object(
    {
        "filterGroups": list_of(5, an_object({"filters": list_of(6, FILTER)})),
        "sorts": list_of(1, SORT),
        "properties": texts,
        "limit": whole_number(200),
        "after": text,
    }
)
VALUES: Judge = lambda value: isinstance(value, dict) and all(map(text, [*value, *value.values()]))  # noqa: E731
LIMIT, BOOLEAN, ANY = re.compile(r"[1-9]\d?|100"), re.compile("true|false"), re.compile(r"\S+")
LISTED = {"limit": LIMIT, "after": ANY, "properties": ANY, "associations": ANY, "archived": BOOLEAN}
OBJECTS, TYPES = "/crm/v3/objects", "(contacts|companies|tickets|deals|feedback_submissions)"
ROW, START = an_object({"id": text}), an_object({"id": text}, {"after": text})
# Method and path -> parameters of the query, and the body.
SPECIFIED: Mapping[str, tuple[Mapping[str, re.Pattern[str]], Judge]] = {
    f"GET {OBJECTS}/{TYPES}": (LISTED, lambda body: body is None),
    f"POST {OBJECTS}/{TYPES}/search": ({}, SEARCH),
    f"POST {OBJECTS}/{TYPES}/batch/read": (
        {"archived": BOOLEAN},
        an_object(
            {"inputs": list_of(100, an_object({"id": text})), "properties": texts, "propertiesWithHistory": texts}
        ),
    ),
    f"POST {OBJECTS}/contacts/batch/update": (
        {},
        an_object(
            {"inputs": list_of(100, an_object({"id": text, "properties": VALUES}, {"objectWriteTraceId": text}))}
        ),
    ),
    f"POST /crm/v4/associations/{TYPES}/{TYPES}/batch/read": ({}, an_object({"inputs": list_of(1_000, START)})),
    f"GET /crm/v3/properties/{TYPES}": ({"archived": BOOLEAN}, lambda body: body is None),
    "GET /account-info/v3/details": ({}, lambda body: body is None),
}


def allowed(asked: Mapping[str, Any]) -> bool:
    where = urlsplit(asked["path"])
    request = f"{'GET' if asked['body'] is None else 'POST'} {where.path}"
    for path, (parameters, judge) in SPECIFIED.items():
        if re.fullmatch(path, request):
            query = parse_qsl(where.query, keep_blank_values=True)
            fits = all(name in parameters and parameters[name].fullmatch(value) for name, value in query)
            return fits and len(asked["path"]) < 2_000 and judge(asked["body"])
    return False


AT = {"updatedAt": "2026-03-01T09:00:00Z"}
DESCRIBED = [{"name": name} for stream in EVERY_STREAM.values() for name in required(stream)]


def account(path: str, body: Any, number: int) -> Reply:
    """Whatever is asked for, of which there is a page for every of the first three requests of a list or a search."""
    if path.startswith("/crm/v3/properties/"):
        return Reply({"results": DESCRIBED})
    if body and "inputs" in body:
        rows = [
            {"id": one["id"], "properties": {}, **AT, "from": {"id": one["id"]}, "to": []} for one in body["inputs"]
        ]
        return Reply({"results": rows})
    row = {"id": str(number), "properties": {"hs_object_id": str(number)}, **AT, "archived": "archived=true" in path}
    return Reply({"results": [row], **({"paging": {"next": {"after": str(number)}}} if number < 3 else {})})


@pytest.fixture
def server(answering: Callable[..., Scripted]) -> Scripted:
    def reply(body: Any) -> Reply:
        path = urlsplit(started.asked[-1]["path"]).path
        return account(
            started.asked[-1]["path"], body, sum(urlsplit(one["path"]).path == path for one in started.asked)
        )

    started = answering(reply)
    return started


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("cursor", [EVERYTHING, SINCE], ids=["listed", "searched"])
@pytest.mark.parametrize("name", EVERY_STREAM)
def test_pulls_ask_what_is_specified(
    hubspot_login: Login, server: Scripted, name: str, cursor: Mapping[str, str]
) -> None:
    assert len(pulled(hubspot_login(server.url), name, cursor)) >= 4
    assert [one for one in server.asked if not allowed(one)] == []
    kinds = {urlsplit(one["path"]).path.rpartition("/")[2] for one in server.asked}
    assert {name, *(["search"] if cursor else [])} <= kinds


def test_writing_reading_back_and_checking_ask_what_is_specified(hubspot_login: Login, server: Scripted) -> None:
    session: Session = hubspot_login(server.url)
    numbers, times = Value("number", "9"), Value("datetime", "2026-03-01T09:00:00Z")
    values = {"score": numbers, "at": times, "gone": Value("text", None)}
    target = CONNECTED.targets[0]
    session.push(target, [Change(str(one), str(one), values) for one in range(1, target.batch_size + 1)])
    session.read_back(target, [str(one) for one in range(250)], {name: one.kind for name, one in values.items()})
    session.check()
    assert [one for one in server.asked if not allowed(one)] == []
    assert len(server.asked) == 5


def test_archived_records_are_asked_for_with_a_boolean_as_json_spells_it(
    hubspot_login: Login, answering: Callable[..., Scripted]
) -> None:
    server = answering(Reply({"results": []}))
    pulled(hubspot_login(server.url), "contacts")
    live, archived = (dict(parse_qsl(urlsplit(one["path"]).query)) for one in server.asked)
    assert ("archived" in live, archived["archived"]) == (False, "true")
