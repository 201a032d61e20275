"""Salesforce through the real client: logins, pulls, writes and what is read back, on the running sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Budget, Stream
from connectors.errors import ConfigError, ExpiredCursorError
from connectors.registry import discover
from connectors.salesforce import CONNECTOR
from connectors.salesforce_streams import SalesforceSettings
from connectors.values import moment_text, parse_moment
from sandbox.certificates import write_server_files
from sandbox.salesforce.logins import TRUSTED_USERNAME
from sandbox.serve import Sandbox
from tests.connectors.salesforce_access import (
    KINDS,
    NO_OVERLAP,
    SETTINGS,
    STREAMS,
    TARGET,
    connect,
    contacts,
    pulled,
    records_of,
)

WAYS = ("jwt", "client_credentials", "password", "session")


@pytest.fixture
def salesforce(fresh_sandbox: Sandbox) -> Any:
    session = connect(fresh_sandbox.environment_for(salesforce="session"))
    yield session
    session.close()


# --- logins ---


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_log_in_leads_to_records(sandbox: Sandbox, way: str) -> None:
    session = connect(sandbox.environment_for(salesforce=way))
    session.check()
    first, last = pulled(session, "Survey")
    assert (len(first.records), last.records) == (2, [])
    assert first.requests == (4 if way == "session" else 5)  # check, description, count, query; and the login
    assert last.requests == 0
    session.close()


WRONG = [
    ("password", "SALESFORCE_PASSWORD", "INVALID_LOGIN"),
    ("password", "SALESFORCE_SECURITY_TOKEN", "INVALID_LOGIN"),
    ("jwt", "SALESFORCE_CONSUMER_KEY", "invalid_client_id"),
    ("jwt", "SALESFORCE_USERNAME", "invalid_grant"),
    ("client_credentials", "SALESFORCE_CLIENT_SECRET", "invalid_client"),
    ("client_credentials", "SALESFORCE_CLIENT_ID", "invalid_client_id"),
    ("session", "SALESFORCE_SESSION_ID", "401"),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("way", "variable", "code"), WRONG)
def test_wrong_credentials_are_named_and_not_shown(sandbox: Sandbox, way: str, variable: str, code: str) -> None:
    environment = sandbox.environment_for(salesforce=way) | {variable: "hidden-guess"}
    with pytest.raises(ConfigError) as error:
        connect(environment).check()
    text = str(error.value)
    assert code in text
    assert way == "session" or variable in text
    shown = {name for name in sandbox.logins["salesforce"][way] if environment[name] in text}
    assert shown <= {"SALESFORCE_DOMAIN"}  # "login" is a word, too


def test_no_security_token_is_needed_where_the_address_is_trusted(sandbox: Sandbox) -> None:
    environment = sandbox.environment_for(salesforce="password") | {"SALESFORCE_SECURITY_TOKEN": "none"}
    connect(environment | {"SALESFORCE_USERNAME": TRUSTED_USERNAME}).check()
    with pytest.raises(ConfigError, match="'none' only where this address is trusted"):
        connect(environment)


def test_client_credentials_need_the_domain_of_the_organisation(sandbox: Sandbox) -> None:
    environment = sandbox.environment_for(salesforce="client_credentials") | {"SALESFORCE_DOMAIN": "login"}
    with pytest.raises(ConfigError, match="SALESFORCE_DOMAIN"):
        connect(environment)


def test_missing_credentials_are_named() -> None:
    with pytest.raises(ConfigError, match="SALESFORCE_CONSUMER_KEY"):
        connect({})
    with pytest.raises(ConfigError, match="SALESFORCE_SECURITY_TOKEN must be set"):
        connect({f"SALESFORCE_{name}": "x" for name in ("USERNAME", "PASSWORD", "DOMAIN")})


@pytest.mark.parametrize("content", [None, "no key at all", "schlüssel"])
def test_an_unusable_private_key_is_named(sandbox: Sandbox, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key.pem"
    if content:
        path.write_text(content, encoding="utf-8")
    environment = sandbox.environment_for(salesforce="jwt") | {"SALESFORCE_PRIVATE_KEY_FILE": str(path)}
    with pytest.raises(ConfigError, match="SALESFORCE_PRIVATE_KEY_FILE"):
        connect(environment)


@pytest.mark.parametrize("way", WAYS)
def test_the_authority_holds_whatever_the_environment_says(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    other = str(write_server_files(tmp_path).authority)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, other)
    connect(sandbox.environment_for(salesforce=way)).check()


@pytest.mark.parametrize("way", ["session", "jwt"])
def test_a_server_of_another_authority_is_not_trusted(sandbox: Sandbox, tmp_path: Path, way: str) -> None:
    other = str(write_server_files(tmp_path).authority)
    for authority in (other, str(tmp_path / "absent.pem")):
        with pytest.raises(ConfigError, match="SALESFORCE_CA_BUNDLE"):
            connect(sandbox.environment_for(salesforce=way) | {"SALESFORCE_CA_BUNDLE": authority}).check()


def test_passwords_of_a_netrc_file_do_not_replace_the_session(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    connect(sandbox.environment_for(salesforce="session")).check()


# --- pulls ---


def served(sandbox: Sandbox, stream: Stream) -> dict[str, dict[str, Any]]:
    """What the API ought to serve of every record of a stream, by id: the columns of its paths, from the state."""
    state, users = sandbox.control["salesforce"].state(stream.name), sandbox.control["salesforce"].state("User")
    columns = {path.removeprefix("$.") for path in (*stream.fields.values(), *stream.written.values())}
    return {one: {column: value_of(record, column, users) for column in columns} for one, record in state.items()}


def value_of(record: Mapping[str, Any], column: str, users: Mapping[str, Any]) -> Any:
    fields = record["fields"]
    if column == "Owner.Name":
        return users[fields["OwnerId"]]["fields"]["Name"]
    if column == "CreatedDate":
        return stamp(record["created"])
    if column == "Name" and "LastName" in fields:
        return " ".join(filter(None, (fields["FirstName"], fields["LastName"])))
    return fields.get(column)


def stamp(moment: str) -> str:
    return datetime.fromisoformat(moment).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def at(payload: Any, column: str) -> Any:
    for name in column.split("."):
        payload = payload[name]
    return payload


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_pulled_complete_and_as_it_is(fresh_sandbox: Sandbox, salesforce: Any, name: str) -> None:
    gone = min(fresh_sandbox.control["salesforce"].state(name))
    fresh_sandbox.control["salesforce"].delete(name, gone)
    found = records_of(pulled(salesforce, name))
    columns = served(fresh_sandbox, STREAMS[name])
    payloads = {one: json.loads(record.payload) for one, record in found.items()}
    assert {one: {column: at(payloads[one], column) for column in values} for one, values in columns.items()} == columns
    state = fresh_sandbox.control["salesforce"].state(name)
    assert {one: (record.is_deleted, record.source_version) for one, record in found.items()} == {
        one: (record["deleted"] is not None, parse_moment(record["modified"])) for one, record in state.items()
    }
    assert found[gone].is_deleted
    assert all(
        list(payload)[:4] == ["attributes", "Id", "IsDeleted", "SystemModstamp"] for payload in payloads.values()
    )


def test_payloads_keep_every_letter_of_the_source(fresh_sandbox: Sandbox, salesforce: Any) -> None:
    one = next(iter(contacts(fresh_sandbox)))
    fresh_sandbox.control["salesforce"].edit("Contact", one, LastName="O'Neill \\ Söhne 株 \u2028")
    payload = records_of(pulled(salesforce, "Contact"))[one].payload
    assert "O'Neill \\\\ Söhne 株 \u2028" in payload
    assert ": " not in payload.split('"LastName"')[1]


def test_records_come_in_the_order_of_their_last_change(salesforce: Any) -> None:
    found = [record for page in pulled(salesforce, "Contact") for record in page.records]
    assert found == sorted(found, key=lambda record: (record.source_version, record.record_id))


def test_a_later_pull_serves_what_changed_since(fresh_sandbox: Sandbox, salesforce: Any) -> None:
    control = fresh_sandbox.control["salesforce"]
    before = pulled(salesforce, "Contact")[-1].cursor
    at_the_cursor = records_of(pulled(salesforce, "Contact", before))
    edited, gone = [one for one in contacts(fresh_sandbox) if one not in at_the_cursor][:2]
    control.edit("Contact", edited, FirstName="Ada")
    control.delete("Contact", gone)
    added = control.add("Contact", LastName="Neu")
    pages = pulled(salesforce, "Contact", before)
    found = records_of(pages)
    assert found.keys() - at_the_cursor.keys() == {edited, gone, added}
    assert json.loads(found[edited].payload)["FirstName"] == "Ada"
    assert [one for one, record in found.items() if record.is_deleted] == [gone]
    assert pages[-1].cursor["system_modstamp"] > before["system_modstamp"]


def test_a_later_pull_looks_back(salesforce: Any) -> None:
    stamps = sorted(record.source_version for record in records_of(pulled(salesforce, "Account")).values())
    cursor = {"system_modstamp": stamps[-1].isoformat()}
    overlap = stamps[-1] - stamps[5]
    page, last = salesforce.pull(STREAMS["Account"], cursor, overlap)
    assert [record.source_version for record in page.records] == [one for one in stamps if one >= stamps[5]]
    assert parse_moment(last.cursor["system_modstamp"]) == stamps[-1]


def test_the_cursor_is_the_last_change_that_was_seen(fresh_sandbox: Sandbox, salesforce: Any) -> None:
    one = next(iter(contacts(fresh_sandbox)))
    fresh_sandbox.control["salesforce"].edit("Contact", one, FirstName="Ada")
    *_, last = pulled(salesforce, "Contact")
    reached, changed = (
        parse_moment(last.cursor["system_modstamp"]),
        parse_moment(contacts(fresh_sandbox)[one]["modified"]),
    )
    assert reached <= changed <= reached + timedelta(seconds=2)  # the clock in its answers may lag behind its stamps


def test_a_pull_without_news_leaves_the_cursor_where_it_was(salesforce: Any) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    cursor = {"system_modstamp": moment_text(now), "deletions_known": moment_text(now - timedelta(hours=23))}
    page, last = pulled(salesforce, "Contact", cursor)
    assert (page.records, page.cursor, last.records, last.cursor) == ([], {}, [], cursor)


def test_a_cursor_without_news_moves_before_the_log_of_deletions_forgets(salesforce: Any) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    changed = moment_text(now - timedelta(days=400))
    known = moment_text(now - timedelta(days=2))
    *_, last = pulled(salesforce, "Survey", {"system_modstamp": moment_text(now), "deletions_known": known})
    assert last.cursor["system_modstamp"] == moment_text(now)
    assert now - timedelta(minutes=2) <= parse_moment(str(last.cursor["deletions_known"])) <= now
    with pytest.raises(ExpiredCursorError):
        pulled(salesforce, "Survey", {"system_modstamp": moment_text(now), "deletions_known": changed})


def test_pages_tell_what_they_cost(fresh_sandbox: Sandbox, salesforce: Any) -> None:
    pages = pulled(salesforce, "SurveyQuestionResponse") + pulled(salesforce, "Survey")
    requests = fresh_sandbox.control["salesforce"].requests()
    assert sum(page.requests for page in pages) == len(requests)
    assert pages[0].bytes > sum(len(record.payload) for record in pages[0].records)
    first, last = pages[0].budget, pages[-1].budget
    assert isinstance(first, Budget)
    assert isinstance(last, Budget)
    assert (first.limit, first.per, first.remaining - last.remaining) == (15_000, "day", 3)


@pytest.mark.parametrize("name", STREAMS)
def test_what_a_pull_costs(fresh_sandbox: Sandbox, salesforce: Any, name: str) -> None:
    control = fresh_sandbox.control["salesforce"]
    cursor = pulled(salesforce, name)[-1].cursor
    described = [one for one in control.requests() if one["path"].endswith("/describe")]
    assert len(control.requests()) - len(described) == 2  # a count and one page: no stream has 2,000 records here
    control.forget_requests()
    pulled(salesforce, name, cursor)
    assert [one["path"].split("/")[-2] for one in control.requests()] == ["deleted", "queryAll"]


@pytest.mark.parametrize("name", STREAMS)
def test_salesforce_counts_what_is_not_deleted(fresh_sandbox: Sandbox, salesforce: Any, name: str) -> None:
    fresh_sandbox.control["salesforce"].delete(name, min(fresh_sandbox.control["salesforce"].state(name)))
    live = [record for record in records_of(pulled(salesforce, name)).values() if not record.is_deleted]
    assert salesforce.count(STREAMS[name]) == len(live) > 0


# --- declarations ---


def test_a_custom_object_is_declared_by_its_mapping() -> None:
    stream = STREAMS["NPS_Response__c"]
    assert (stream.role, stream.written) == ("response", {})
    assert stream.fields == {
        "score": "$.Score__c",
        "comment": "$.Comment__c",
        "responded_at": "$.Responded_At__c",
        "person_id": "$.Contact__c",
        "account_id": "$.Account__c",
        "survey": "$.Survey__c",
        "survey_type": "$.Survey_Type__c",
        "touchpoint": "$.Touchpoint__c",
        "language": "$.Language__c",
    }
    assert stream.constants == {
        "channel": "phone",
        "scale_min": "0",
        "scale_max": "10",
        "responded_at_basis": "source",
        "person_stream": "Contact",
        "account_stream": "Account",
    }


def test_a_custom_object_without_a_date_counts_from_its_creation() -> None:
    declared = {"object": "Vote__c", "score": "Score__c", "scale": [0, 10]}
    settings = SalesforceSettings.model_validate({"surveys": False, "nps_objects": [declared]})
    streams = {stream.name: stream for stream in CONNECTOR.streams(settings, {})}
    assert list(streams) == ["Contact", "Account", "Vote__c"]
    assert streams["Vote__c"].fields == {"score": "$.Score__c", "responded_at": "$.CreatedDate"}
    assert streams["Contact"].written == {}


def test_what_is_written_is_pulled_too() -> None:
    assert STREAMS["Contact"].written == {name: f"$.{name}" for name in KINDS}
    assert {TARGET.path.format(field=name) for name in KINDS} == set(STREAMS["Contact"].written.values())
    assert STREAMS[TARGET.stream].role == "person"


@pytest.mark.parametrize(
    "wrong",
    [
        {"nps_objects": [{"object": "Vote__c; DROP", "score": "Score__c", "scale": [0, 10]}]},
        {"nps_objects": [{"object": "Vote__c", "score": "Score__c FROM User", "scale": [0, 10]}]},
        {"nps_objects": [{"object": "Vote__c", "score": "A.B.C", "scale": [0, 10]}]},
        {"nps_objects": [{"object": "Vote__c", "score": "Score__c", "scale": [1, 5]}]},
        {"nps_objects": [{"object": "Vote__c", "score": "Score__c", "scale": [0, 10], "survey_type": "monthly"}]},
        {"nps_objects": [{"object": "contact", "score": "Score__c", "scale": [0, 10]}]},
        {"nps_objects": [{"object": "Vote__c", "score": "Score__c", "scale": [0, 10]}] * 2},
        {"account_segment": "Segment__c,"},
        {"survey": True},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SalesforceSettings.model_validate(wrong)


def test_a_field_to_write_must_have_an_api_name() -> None:
    with pytest.raises(ConfigError, match="'NPS Score'"):
        CONNECTOR.streams(SETTINGS, {"contact": ["NPS Score"]})


def test_the_connector_is_found() -> None:
    assert discover()["salesforce"] is CONNECTOR


@pytest.mark.parametrize(
    ("name", "column", "says"),
    [
        ("Contact", "NPS_Rating__c", "no field NPS_Rating__c on Contact"),
        ("Account", "Boss.Name", "no field Boss.Name on Account"),
        ("Vote__c", "Score__c", "no object Vote__c"),
        ("Contact", "email", "spells email of Contact otherwise"),
        ("Contact", "Name FROM User", "is no API name"),
    ],
)
def test_a_name_that_salesforce_does_not_know_is_named(salesforce: Any, name: str, column: str, says: str) -> None:
    stream = Stream("salesforce", name, "person", {"email": f"$.{column}"})
    with pytest.raises(ConfigError, match=says):
        list(salesforce.pull(stream, {}, NO_OVERLAP))
