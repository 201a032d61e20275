"""What every connector must do, whatever the vendor: one suite over all that the registry finds, on the sandbox CRMs.

A new CRM passes it with a sandbox of its own and a section in the configuration of the demo, which is used here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import ValidationError

import sandbox.demo
from connectors import registry
from connectors.base import Budget, Change, Connector, Cursor, Kind, Record, Role, Session, Stream, Target, Value
from connectors.config import SourceSettings, variables_of
from connectors.errors import ConfigError, RetryableError
from connectors.values import field_text, latest_moment
from sandbox.control import Control
from sandbox.serve import Sandbox

CONNECTORS = registry.discover()
DEMO = yaml.safe_load(Path(sandbox.demo.__file__).with_name("demo.yaml").read_text(encoding="utf-8"))
NO_OVERLAP = timedelta(0)
PATH = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]|\[(\w+)=([^\]]+)\]")
SECRET = re.compile("TOKEN|PASSWORD|SECRET|SESSION_ID")
OF_MERGED = {"merged_ids", "merged_into"}  # what only merged records have, of which there are none at the start
# The conformed fields of each role; dbt knows no others.
CONFORMED: dict[Role, set[str]] = {
    "response": {
        "score", "scale_min", "scale_max", "comment", "language", "responded_at", "responded_at_basis", "invited_at",
        "survey", "survey_type", "channel", "touchpoint", "email", "display_name", "metric", "without_score",
        "person_id", "person_stream", "account_id", "account_stream", "invitation_id", "question_id", "answer_id",
    },
    "person": {
        "email", "display_name", "first_name", "last_name", "account_id", "account_stream", "cross_reference",
        "cross_reference_to", "kind", *OF_MERGED,
    },
    "account": {"name", "domain", "website", "segment", "owner", "cross_reference", "cross_reference_to", *OF_MERGED},
    "invitation": {"invited_at", "person_id", "person_stream", "survey_id", "is_link", "response_stream"},
    "reference": {
        "name", "kind", "status", "completed_at", "language", "person_id", "person_stream", "invitation_id",
        "survey_id", "parent_id", "subject_id",
    },
    "event": set(),
}  # fmt: skip


def settings_of(source: str) -> Any:
    return CONNECTORS[source].settings.model_validate(DEMO["sources"].get(source) or {})


def synced(source: str, target: Target) -> dict[str, Value]:
    """The fields that the demo writes to a target, each with a value that it accepts."""
    fields = DEMO["sync"][source][target.name]["fields"]
    spelling = fields["category"].get("spelling", {"promoter": "promoter"})
    day = "2026-03-01T09:30:00Z" if target.kinds["responded_at"] == "datetime" else "2026-03-01"
    texts = {"score": "9", "category": spelling["promoter"], "responded_at": day}
    return {fields[name]["to"]: Value(target.kinds[name], text) for name, text in texts.items()}


def streams_of(source: str) -> dict[str, Stream]:
    connector = CONNECTORS[source]
    written = {target.name: list(synced(source, target)) for target in connector.targets}
    return {stream.name: stream for stream in connector.streams(settings_of(source), written)}


STREAMS = [(source, name) for source in CONNECTORS for name in streams_of(source)]
TARGETS = [(source, target) for source, connector in CONNECTORS.items() for target in connector.targets]
every_source = pytest.mark.parametrize("source", CONNECTORS)
every_stream = pytest.mark.parametrize(("source", "name"), STREAMS)
every_target = pytest.mark.parametrize(("source", "target"), TARGETS, ids=lambda one: getattr(one, "name", one))
Connect = Callable[[str, Mapping[str, str]], Session]


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


def change(record_id: str, values: Mapping[str, Value]) -> Change:
    return Change(f"op-{record_id}", record_id, values)


def live(control: Control, table: str, number: int) -> list[str]:
    return [key for key, record in control.state(table).items() if record["deleted"] is None][-number:]


def kinds(values: Mapping[str, Value]) -> dict[str, Kind]:
    return {name: value.kind for name, value in values.items()}


def texts(values: Mapping[str, Value]) -> dict[str, str | None]:
    return {name: value.text for name, value in values.items()}


# --- declarations ---


def test_the_registry_finds_the_crms_of_the_sandbox(sandbox: Sandbox) -> None:
    assert set(CONNECTORS) == set(sandbox.urls)


@every_source
def test_variables_are_named_after_the_source(sandbox: Sandbox, source: str) -> None:
    connector: Connector = CONNECTORS[source]
    assert (connector.source, bool(connector.title)) == (source, True)
    own = re.compile(f"{source.upper()}_[A-Z_]+")
    assert all(own.fullmatch(name) for name in variables_of(connector))
    declared = {frozenset(login.variables) for login in connector.logins}
    assert declared == {frozenset(way) for way in sandbox.logins[source].values()}
    assert {*connector.addresses} <= {*sandbox.addresses}


@every_source
def test_settings_need_nothing_and_refuse_the_unknown(source: str) -> None:
    model = CONNECTORS[source].settings
    assert issubclass(model, SourceSettings)
    assert CONNECTORS[source].streams(model.model_validate({}), {})
    with pytest.raises(ValidationError):
        model.model_validate({"no_such_key": 1})


@every_source
@pytest.mark.parametrize("section", ["none", "demo"])
def test_streams_are_declared_with_what_dbt_knows(source: str, section: str) -> None:
    settings = settings_of(source) if section == "demo" else CONNECTORS[source].settings()
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
    everywhere = {f"{one}.{name}" for one, name in STREAMS}
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


def ways(source: str, sandbox: Sandbox) -> dict[str, dict[str, str]]:
    """The environment of every way to log in to one source, without the other sources' variables."""
    addresses = {name: sandbox.addresses[name] for name in CONNECTORS[source].addresses}
    return {name: {**addresses, **way} for name, way in sandbox.logins[source].items()}


def shown(environment: Mapping[str, str], text: str) -> list[str]:
    """The secrets of an environment that stand in a text."""
    return [value for name, value in environment.items() if SECRET.search(name) and value in text]


@every_source
def test_every_way_to_log_in_works_and_shows_no_secret(sandbox: Sandbox, connect: Connect, source: str) -> None:
    for environment in ways(source, sandbox).values():
        session = connect(source, environment)
        session.check()
        assert shown(environment, f"{session!r} {session}") == []


@every_source
@pytest.mark.parametrize("blank", [False, True])
def test_a_missing_variable_is_named(sandbox: Sandbox, connect: Connect, source: str, *, blank: bool) -> None:
    for way, environment in ways(source, sandbox).items():
        for missing in sandbox.logins[source][way]:
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
    sandbox: Sandbox, connect: Connect, source: str
) -> None:
    for way, environment in ways(source, sandbox).items():
        for secret in filter(SECRET.search, sandbox.logins[source][way]):
            with pytest.raises(ConfigError) as error:
                connect(source, environment | {secret: "guess-4711"}).check()
            assert shown({**environment, "GUESSED_TOKEN": "guess-4711"}, str(error.value)) == []


@every_source
def test_a_source_that_is_down_may_be_asked_again(
    sandbox: Sandbox, connect: Connect, waits: list[float], source: str
) -> None:
    here = sandbox.urls[source].partition("://")[2]
    environment = {name: value.replace(here, "127.0.0.1:1") for name, value in sandbox.environment.items()}
    with pytest.raises(RetryableError) as error:
        connect(source, environment).check()
    assert waits
    assert shown(environment, str(error.value)) == []


# --- pulling ---


@every_stream
def test_a_first_pull_serves_every_record_once(
    fresh_sandbox: Sandbox, connect: Connect, source: str, name: str
) -> None:
    control, stream = fresh_sandbox.control[source], streams_of(source)[name]
    pages = list(connect(source, fresh_sandbox.environment).pull(stream, {}, NO_OVERLAP))
    records = [record for page in pages for record in page.records]
    assert sorted(record.record_id for record in records) == sorted(control.state(name))
    latest, soon = latest_moment(pages[-1].cursor), datetime.now(UTC) + timedelta(minutes=1)
    assert (latest or datetime.max.replace(tzinfo=UTC)) <= soon  # what changes until then would be missed
    assert sum(page.requests for page in pages) == len(control.requests())
    assert sum(page.bytes for page in pages) >= sum(len(record.payload) for record in records)
    budget = pages[-1].budget
    assert isinstance(budget, Budget)
    assert (0 <= budget.remaining < budget.limit, bool(budget.per)) == (True, True)
    assert control.writes() == []


@every_stream
def test_payloads_hold_what_is_declared(sandbox: Sandbox, connect: Connect, source: str, name: str) -> None:
    stream = streams_of(source)[name]
    records, _ = drained(connect(source, sandbox.environment), stream)
    payloads = [json.loads(record.payload) for record in records]
    absent = {name for name, path in stream.fields.items() if all(at(payload, path) is None for payload in payloads)}
    assert absent <= OF_MERGED
    for path in stream.written.values():  # a field that nobody has filled yet is there, but empty
        place, _, field = path.rpartition(".")
        assert any(field in (at(payload, place) if place != "$" else payload) for payload in payloads)
    assert {record.source_version.utcoffset() for record in records if record.source_version} == {timedelta(0)}
    assert {record.is_deleted for record in records} == {False}


@every_stream
def test_a_second_pull_serves_nothing_new_and_keeps_the_cursor(
    sandbox: Sandbox, connect: Connect, source: str, name: str
) -> None:
    session, stream = connect(source, sandbox.environment), streams_of(source)[name]
    first, cursor = drained(session, stream)
    second, same = drained(session, stream, cursor)
    assert same == cursor
    assert {*second} <= {*first}
    latest = max(seconds(record) for record in first)
    assert {*second} <= {record for record in first if seconds(record) == latest}  # a cursor may be in whole seconds
    assert {*drained(session, stream, cursor, timedelta(days=10_000))[0]} == {*first}


@every_stream
def test_a_later_pull_serves_an_edit_and_a_deletion(
    fresh_sandbox: Sandbox, connect: Connect, source: str, name: str
) -> None:
    control, stream = fresh_sandbox.control[source], streams_of(source)[name]
    session = connect(source, fresh_sandbox.environment)
    first, cursor = drained(session, stream)
    edited, deleted = (record.record_id for record in first[:2])
    control.edit(name, edited)
    control.delete(name, deleted)
    records, moved = drained(session, stream, cursor)
    served = {record.record_id: record for record in records}
    assert {edited, deleted} <= {*served}
    assert [record for record in records if record not in first and record.record_id not in (edited, deleted)] == []
    before = {record.record_id: record for record in first}
    assert [served[one].is_deleted for one in (edited, deleted)] == [False, True]
    assert all(seconds(served[one]) > seconds(before[one]) for one in (edited, deleted))
    assert moved != cursor


# --- writing ---


@every_target
def test_what_is_written_reads_back_and_is_pulled(
    fresh_sandbox: Sandbox, connect: Connect, source: str, target: Target
) -> None:
    control, stream = fresh_sandbox.control[source], streams_of(source)[target.stream]
    session, values = connect(source, fresh_sandbox.environment), synced(source, target)
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
def test_none_clears_a_field(fresh_sandbox: Sandbox, connect: Connect, source: str, target: Target) -> None:
    session, values = connect(source, fresh_sandbox.environment), synced(source, target)
    (one,) = live(fresh_sandbox.control[source], target.stream, 1)
    session.push(target, [change(one, values)])
    empty = {name: Value(value.kind, None) for name, value in values.items()}
    (result,) = session.push(target, [change(one, empty)])
    assert result.error_code is None
    assert session.read_back(target, [one], kinds(values)) == {one: dict.fromkeys(values)}


@every_target
def test_an_unknown_record_is_refused_and_leaves_the_others_alone(
    fresh_sandbox: Sandbox, connect: Connect, source: str, target: Target
) -> None:
    control = fresh_sandbox.control[source]
    session, values = connect(source, fresh_sandbox.environment), synced(source, target)
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
