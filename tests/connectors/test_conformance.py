"""What every connector must do, whatever the vendor: one suite over all that the registry finds, on the sandbox CRMs.

What is asked of which stream, and what is excused, stands in ``conformance``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from connectors.base import Budget, Connector, Cursor, Kind, Record, Role, Session, Stream, Target, Value
from connectors.config import SourceSettings, variables_of
from connectors.errors import ConfigError, RetryableError
from connectors.values import field_text, latest_moment
from sandbox.serve import Sandbox
from tests.connectors.conformance import (
    CASES,
    CONNECTORS,
    EXCUSES,
    FILLED,
    PROPERTIES,
    Case,
    case_of,
    change,
    every_source,
    every_target,
    holds,
    kinds,
    live,
    settings_of,
    streams_of,
    synced,
    texts,
)
from tests.connectors.landed_source import EVER, NO_OVERLAP, Source

PATH = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]|\[(\w+)=([^\]]+)\]")
SECRET = re.compile("TOKEN|PASSWORD|SECRET|SESSION_ID")
# Streams that are read some days back again and again, since their rows may change late without moving in the list.
LOOKED_BACK = ("satisfaction_ratings", "survey_responses")
OF_MERGED = {"merged_ids", "merged_into"}  # what only merged records have
# The conformed fields of each role; dbt knows no others.
CONFORMED: dict[Role, set[str]] = {
    "response": {
        "score", "scale_min", "scale_max", "comment", "language", "responded_at", "responded_at_basis", "invited_at",
        "survey", "survey_type", "channel", "touchpoint", "email", "display_name", "metric", "without_score",
        "person_id", "person_stream", "account_id", "account_stream", "invitation_id", "question_id", "answer_id",
    },
    "person": {
        "email", "display_name", "first_name", "last_name", "phone", "mobile_phone", "country", "account_id",
        "account_stream", "cross_reference", "cross_reference_to", "kind", *OF_MERGED,
    },
    "account": {
        "name", "domain", "website", "country", "segment", "owner", "cross_reference", "cross_reference_to", *OF_MERGED,
    },
    "invitation": {"invited_at", "person_id", "person_stream", "survey_id", "is_link", "response_stream"},
    "reference": {
        "name", "kind", "status", "completed_at", "language", "person_id", "person_stream", "invitation_id",
        "survey_id", "parent_id", "subject_id",
    },
    "event": set(),
}  # fmt: skip


Connect = Callable[[str, Mapping[str, str]], Session]
SourceOf = Callable[[Case], Source]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Logs in to a source with an environment; what is open is closed after the test."""
    opened: list[Session] = []

    def login(source: str, environment: Mapping[str, str]) -> Session:
        opened.append(CONNECTORS[source].connect(settings_of(source), environment))
        return opened[-1]

    yield login
    for session in opened:
        session.close()


def drained(
    session: Session, stream: Stream, cursor: Cursor | None = None, overlap: timedelta = NO_OVERLAP
) -> tuple[list[Record], Cursor]:
    """All records of a pull and its cursor, as the landing zone would keep it."""
    pages = list(session.pull(stream, cursor or {}, overlap))
    return [record for page in pages for record in page.records], json.loads(json.dumps(pages[-1].cursor))


def at(payload: Any, path: str) -> Any:
    """What stands at a path of a payload, None where nothing does."""
    assert path.startswith("$")
    assert "".join(match[0] for match in PATH.finditer(path)) == path[1:], f"{path} is no path"
    for key, place, name, value in PATH.findall(path):
        if payload is None:
            return None
        if key:
            payload = payload.get(key)
        elif place:
            payload = payload[int(place)] if int(place) < len(payload) else None
        else:
            payload = next((member for member in payload if str(member.get(name)) == value), None)
    return payload


def seconds(record: Record) -> int:
    assert record.source_version is not None
    return int(record.source_version.timestamp())


# --- the table ---


def switched_off(value: Any) -> list[str]:
    """The settings of a section, and of those in it, that leave something out."""
    if not isinstance(value, BaseModel):
        return []
    optional = {name for name, one in type(value).model_fields.items() if is_switch(one.annotation)}
    off = [name for name in optional if not getattr(value, name)]
    return off + [name for part in type(value).model_fields for name in switched_off(getattr(value, part))]


def is_switch(annotation: Any) -> bool:
    """Whether a setting is true or false, or a section that may be missing."""
    parts = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return bool in parts or any(isinstance(part, type) and issubclass(part, BaseModel) for part in parts)


@every_source
def test_everything_is_switched_on(source: str) -> None:
    assert switched_off(settings_of(source)) in ([], ["required"])


def test_every_property_is_asked_of_every_stream_or_excused_with_a_reason() -> None:
    names = [path.stem for path in Path(__file__).parent.glob("test_co*.py")]
    tests = [one for name in names for one in vars(import_module(f"tests.connectors.{name}")).values()]
    asked = {pair for one in tests for pair in getattr(one, "asked", ())}
    excused = {(name, case) for one in EXCUSES for name in one.properties for case in CASES if one.covers(case)}
    assert asked | excused == {(name, case) for name in PROPERTIES for case in CASES}
    assert asked & excused == set()
    assert all(one.reason.endswith(".") and any(map(one.covers, CASES)) for one in EXCUSES)


# --- declarations ---


def test_the_registry_finds_the_crms_of_the_sandbox(small_sandbox: Sandbox) -> None:
    assert set(CONNECTORS) == set(small_sandbox.urls)


@every_source
def test_variables_are_named_after_the_source(small_sandbox: Sandbox, source: str) -> None:
    connector: Connector = CONNECTORS[source]
    assert (connector.source, bool(connector.title)) == (source, True)
    own = re.compile(f"{source.upper()}_[A-Z_]+")
    assert all(own.fullmatch(name) for name in variables_of(connector))
    declared = {frozenset(login.variables) for login in connector.logins}
    assert declared == {frozenset(way) for way in small_sandbox.logins[source].values()}
    assert {*connector.addresses} <= {*small_sandbox.addresses}


@every_source
def test_settings_need_nothing_and_refuse_the_unknown(source: str) -> None:
    model = CONNECTORS[source].settings
    assert issubclass(model, SourceSettings)
    assert CONNECTORS[source].streams(model.model_validate({}), {})
    with pytest.raises(ValidationError):
        model.model_validate({"no_such_key": 1})


@every_source
@pytest.mark.parametrize("section", ["none", "all"])
def test_streams_are_declared_with_what_dbt_knows(source: str, section: str) -> None:
    settings = settings_of(source) if section == "all" else CONNECTORS[source].settings()
    streams = CONNECTORS[source].streams(settings, {})
    assert len({stream.name.lower() for stream in streams}) == len(streams)
    for stream in streams:
        assert stream.source == source
        assert stream.role in get_args(Role)
        assert not stream.written
        assert {*stream.fields, *stream.constants} <= CONFORMED[stream.role], stream.name
        assert all(isinstance(value, str) and value for value in stream.constants.values())


@every_source
def test_references_lead_to_streams(source: str) -> None:
    everywhere = {f"{case.source}.{case.name}" for case in CASES}
    for stream in streams_of(source).values():
        named = {f"{source}.{value}" for name, value in stream.constants.items() if name.endswith("_stream")}
        named |= {value for name, value in stream.constants.items() if name == "cross_reference_to"}
        assert named <= everywhere, stream.name
        for role in ("person", "account"):
            assert (f"{role}_id" in stream.fields) == (f"{role}_stream" in stream.constants), stream.name


@every_source
def test_responses_have_a_score_on_the_scale_of_nps_and_a_time(source: str) -> None:
    responses = [stream for stream in streams_of(source).values() if stream.role == "response"]
    assert responses
    for stream in responses:
        assert "score" in stream.fields
        assert (stream.constants["scale_min"], stream.constants["scale_max"]) == ("0", "10")
        basis = stream.constants["responded_at_basis"]  # the time itself may stand in another stream
        assert basis == "source" or (basis == "first_seen" and "responded_at" not in stream.fields), stream.name


@every_target
def test_a_target_is_a_person_whose_written_fields_are_observed(source: str, target: Target) -> None:
    stream = streams_of(source)[target.stream]
    assert stream.role == "person"
    assert {*target.kinds} == {"score", "category", "responded_at"}
    assert {*target.kinds.values()} <= {*get_args(Kind)}
    assert target.batch_size > 0
    assert stream.written == {name: target.path.format(field=name) for name in synced(source, target)}


# --- credentials ---


def ways(source: str, small_sandbox: Sandbox) -> dict[str, dict[str, str]]:
    """The environment of every way to log in to one source, without the other sources' variables."""
    addresses = {name: small_sandbox.addresses[name] for name in CONNECTORS[source].addresses}
    return {name: {**addresses, **way} for name, way in small_sandbox.logins[source].items()}


def shown(environment: Mapping[str, str], text: str) -> list[str]:
    """The secrets of an environment that stand in a text."""
    return [value for name, value in environment.items() if SECRET.search(name) and value in text]


@every_source
def test_every_way_to_log_in_works_and_shows_no_secret(small_sandbox: Sandbox, connect: Connect, source: str) -> None:
    for environment in ways(source, small_sandbox).values():
        session = connect(source, environment)
        session.check()
        assert shown(environment, f"{session!r} {session}") == []


@every_source
@pytest.mark.parametrize("blank", [False, True])
def test_a_missing_variable_is_named(small_sandbox: Sandbox, connect: Connect, source: str, *, blank: bool) -> None:
    for way, environment in ways(source, small_sandbox).items():
        for missing in small_sandbox.logins[source][way]:
            rest = {name: value for name, value in environment.items() if name != missing}
            with pytest.raises(ConfigError, match=rf"\b{missing}\b") as error:
                connect(source, rest | {missing: ""} if blank else rest)
            assert shown(rest, str(error.value)) == []


@every_source
def test_without_any_variable_it_says_what_to_set(connect: Connect, source: str) -> None:
    with pytest.raises(ConfigError) as error:
        connect(source, {})
    assert any(all(name in str(error.value) for name in login.variables) for login in CONNECTORS[source].logins)


@every_source
def test_wrong_credentials_are_a_configuration_error_that_shows_none(
    small_sandbox: Sandbox, connect: Connect, source: str
) -> None:
    for way, environment in ways(source, small_sandbox).items():
        for secret in filter(SECRET.search, small_sandbox.logins[source][way]):
            with pytest.raises(ConfigError) as error:
                connect(source, environment | {secret: "guess-4711"}).check()
            assert shown({**environment, "GUESSED_TOKEN": "guess-4711"}, str(error.value)) == []


@every_source
def test_a_source_that_is_down_may_be_asked_again(
    small_sandbox: Sandbox, connect: Connect, waits: list[float], source: str
) -> None:
    here = small_sandbox.urls[source].partition("://")[2]
    environment = {name: value.replace(here, "127.0.0.1:1") for name, value in small_sandbox.environment.items()}
    with pytest.raises(RetryableError) as error:
        connect(source, environment).check()
    assert waits
    assert shown(environment, str(error.value)) == []


# --- pulling ---


@holds("drained whole")
def test_a_first_pull_serves_every_record_once(source_of: SourceOf, case: Case) -> None:
    one = source_of(case)
    one.control.forget_requests()
    pages = list(one.pages())
    records = [record for page in pages for record in page.records]
    assert sorted(record.record_id for record in records) == sorted(one.records())
    latest, soon = latest_moment(pages[-1].cursor), datetime.now(UTC) + timedelta(minutes=1)
    assert (latest or datetime.max.replace(tzinfo=UTC)) <= soon  # what changes until then would be missed
    assert sum(page.requests for page in pages) == len(one.control.requests())
    in_csv = case.variant == "bulk"  # which names its columns once
    assert sum(page.bytes for page in pages) >= sum(len(record.payload) for record in records) / (10 if in_csv else 1)
    budget = pages[-1].budget
    assert isinstance(budget, Budget)
    assert (0 <= budget.remaining < budget.limit, bool(budget.per)) == (True, True)
    assert one.control.writes() == []


@holds("drained whole")
def test_payloads_hold_what_is_declared(source_of: SourceOf, case: Case) -> None:
    one, stream = source_of(case), case.stream
    if filled := FILLED.get(f"{case.source}-{case.name}"):
        one.control.edit(case.name, one.changing()[0], **filled)
    records, _ = drained(one.session, stream)
    payloads = [json.loads(record.payload) for record in records]
    absent = {name for name, path in stream.fields.items() if all(at(payload, path) is None for payload in payloads)}
    assert absent <= OF_MERGED
    for path in stream.written.values():  # a field that nobody has filled yet is there, but empty
        place, _, field = path.rpartition(".")
        assert any(field in (at(payload, place) if place != "$" else payload) for payload in payloads)
    assert {record.source_version.utcoffset() for record in records if record.source_version} == {timedelta(0)}
    gone = {name for name, record in one.control.state(case.name).items() if record["deleted"]}
    assert {record.record_id for record in records if record.is_deleted} == gone


@holds("drained whole")
def test_a_second_pull_serves_nothing_new_and_keeps_the_cursor(source_of: SourceOf, case: Case) -> None:
    one = source_of(case)
    session, stream = one.session, case.stream
    first, cursor = drained(session, stream)
    second, same = drained(session, stream, cursor)
    assert same == cursor
    assert {*second} <= {*first}
    latest = max(seconds(record) for record in first)
    late = {record for record in first if seconds(record) == latest}  # a cursor may be in whole seconds
    assert {*second} <= late or case.name in LOOKED_BACK
    assert {*drained(session, stream, cursor, EVER)[0]} == {*first}


# --- writing ---


@every_target
def test_what_is_written_reads_back_and_is_pulled(source_of: SourceOf, source: str, target: Target) -> None:
    held, values = source_of(case_of(source, target)), synced(source, target)
    control, stream, session = held.control, held.stream, held.session
    control.forget_requests()
    _, cursor = drained(session, stream)
    (one,) = live(control, target.stream, 1)
    before = control.state(target.stream)
    (result,) = session.push(target, [change(one, values)])
    assert (result.op_id, result.error_code) == (f"op-{one}", None)
    assert result.written_at is None or result.written_at.utcoffset() == timedelta(0)
    assert session.read_back(target, [one], kinds(values)) == {one: texts(values)}
    assert {key for key, record in control.state(target.stream).items() if record != before[key]} == {one}
    payload = next(json.loads(row.payload) for row in drained(session, stream, cursor)[0] if row.record_id == one)
    observed = {name: field_text(values[name].kind, at(payload, path)) for name, path in stream.written.items()}
    assert observed == texts(values)
    assert len(control.writes()) == 1


@every_target
def test_none_clears_a_field(source_of: SourceOf, source: str, target: Target) -> None:
    held, values = source_of(case_of(source, target)), synced(source, target)
    session = held.session
    (one,) = live(held.control, target.stream, 1)
    session.push(target, [change(one, values)])
    empty = {name: Value(value.kind, None) for name, value in values.items()}
    (result,) = session.push(target, [change(one, empty)])
    assert result.error_code is None
    assert session.read_back(target, [one], kinds(values)) == {one: dict.fromkeys(values)}


@every_target
def test_an_unknown_record_is_refused_and_leaves_the_others_alone(
    source_of: SourceOf, source: str, target: Target
) -> None:
    held, values = source_of(case_of(source, target)), synced(source, target)
    control, session = held.control, held.session
    good, gone = live(control, target.stream, 2)
    control.delete(target.stream, gone)
    unknown = re.sub("[0-9]", "9", good)
    before = control.state(target.stream)
    results = session.push(target, [change(record_id, values) for record_id in (unknown, gone)])
    assert [bool(result.error_code) for result in results] == [True, True]
    assert control.state(target.stream) == before
    results = session.push(target, [change(record_id, values) for record_id in (unknown, good, gone)])
    assert {result.op_id: bool(result.error_code) for result in results} == {
        f"op-{unknown}": True, f"op-{good}": False, f"op-{gone}": True,
    }  # fmt: skip
    after = control.state(target.stream)
    assert {key for key, record in after.items() if record != before.get(key)} == {good}
    assert session.read_back(target, [unknown, good, gone], kinds(values)) == {good: texts(values)}
