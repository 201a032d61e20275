"""What is written to Salesforce and read back, through the real client on the running sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import Change, Value
from connectors.errors import ConfigError
from connectors.salesforce import SalesforceSession
from sandbox.salesforce.ids import salesforce_id
from sandbox.serve import Sandbox
from tests.connectors.salesforce_access import KINDS, TARGET, change, connect, contacts

UNKNOWN = salesforce_id("003", 99_999)


@pytest.fixture
def salesforce(fresh_sandbox: Sandbox) -> Iterator[SalesforceSession]:
    session = connect(fresh_sandbox.environment_for(salesforce="session"))
    yield session
    session.close()


@pytest.fixture
def ids(fresh_sandbox: Sandbox) -> list[str]:
    """Contacts without a score."""
    return [one for one, record in contacts(fresh_sandbox).items() if "NPS_Score__c" not in record["fields"]]


def test_values_are_written_as_what_they_are(
    fresh_sandbox: Sandbox, salesforce: SalesforceSession, ids: list[str]
) -> None:
    one, two = ids[:2]
    changes = [
        change(one, NPS_Score__c="9", NPS_Category__c="Promoter", NPS_Responded_At__c="2026-03-01T09:30:00Z"),
        change(two, NPS_Score__c="6.5"),
    ]
    results = salesforce.push(TARGET, changes)
    assert [(result.op_id, result.error_code) for result in results] == [(f"op-{one}", None), (f"op-{two}", None)]
    written = contacts(fresh_sandbox)
    assert written[one]["fields"]["NPS_Score__c"] == 9
    assert written[one]["fields"]["NPS_Category__c"] == "Promoter"
    assert written[one]["fields"]["NPS_Responded_At__c"] == "2026-03-01T09:30:00.000+0000"
    assert written[two]["fields"]["NPS_Score__c"] == 6.5
    (request,) = fresh_sandbox.control["salesforce"].writes()
    assert (request["method"], request["path"]) == ("PATCH", "/services/data/v59.0/composite/sobjects")


def test_the_time_of_a_write_is_the_servers(salesforce: SalesforceSession, ids: list[str]) -> None:
    before = datetime.now(UTC) - timedelta(seconds=30)  # the Date of a busy server lags
    (result,) = salesforce.push(TARGET, [change(ids[0], NPS_Score__c="9")])
    assert result.written_at is not None
    assert before <= result.written_at <= datetime.now(UTC)


def test_every_row_has_its_own_outcome(fresh_sandbox: Sandbox, salesforce: SalesforceSession, ids: list[str]) -> None:
    good, bad, gone, late = ids[:4]
    fresh_sandbox.control["salesforce"].delete("Contact", gone)
    changes = [
        change(bad, NPS_Category__c="Delighted"),
        change(gone, NPS_Score__c="9"),
        change(good, NPS_Score__c="9"),
        change(UNKNOWN, NPS_Score__c="9"),
        change("nonsense", NPS_Score__c="9"),
        Change("op-field", late, {"No_Such__c": Value("text", "x")}),
    ]
    results = salesforce.push(TARGET, changes)
    assert [(result.op_id, result.error_code) for result in results] == [
        (f"op-{bad}", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (f"op-{gone}", "ENTITY_IS_DELETED"),
        (f"op-{good}", None),
        (f"op-{UNKNOWN}", "INVALID_CROSS_REFERENCE_KEY"),
        ("op-nonsense", "MALFORMED_ID"),
        ("op-field", "INVALID_FIELD"),
    ]
    assert contacts(fresh_sandbox)[good]["fields"]["NPS_Score__c"] == 9


def test_nothing_is_created(fresh_sandbox: Sandbox, salesforce: SalesforceSession) -> None:
    before = contacts(fresh_sandbox)
    salesforce.push(TARGET, [change(UNKNOWN, NPS_Score__c="9")])
    assert contacts(fresh_sandbox) == before


@pytest.mark.parametrize("name", KINDS)
def test_an_empty_value_clears_the_field(
    fresh_sandbox: Sandbox, salesforce: SalesforceSession, ids: list[str], name: str
) -> None:
    fresh_sandbox.control["salesforce"].edit(
        "Contact",
        ids[0],
        NPS_Score__c=3.0,
        NPS_Category__c="Detractor",
        NPS_Responded_At__c="2026-03-01T09:30:00.000+0000",
    )
    salesforce.push(TARGET, [change(ids[0], **{name: None})])
    fields = contacts(fresh_sandbox)[ids[0]]["fields"]
    assert [one for one in KINDS if fields[one] is None] == [name]


def test_a_full_batch_is_one_request(fresh_sandbox: Sandbox, salesforce: SalesforceSession) -> None:
    changes = [change(salesforce_id("003", number), NPS_Score__c="9") for number in range(TARGET.batch_size)]
    results = salesforce.push(TARGET, changes)
    assert [result.op_id for result in results] == [one.op_id for one in changes]
    assert len(fresh_sandbox.control["salesforce"].writes()) == 1
    assert len({result.error_code for result in results}) == 2


def test_a_value_of_the_wrong_kind_names_the_field_and_writes_nothing(
    fresh_sandbox: Sandbox, salesforce: SalesforceSession, ids: list[str]
) -> None:
    wrong = Change("op", ids[0], {"NPS_Responded_At__c": Value("text", "a secret day")})
    with pytest.raises(ConfigError, match=r"NPS_Responded_At__c, NPS_Score__c.*kind") as error:
        salesforce.push(TARGET, [wrong, change(ids[1], NPS_Score__c="9")])
    assert "secret" not in str(error.value)
    assert "NPS_Score__c" not in contacts(fresh_sandbox)[ids[1]]["fields"]


def test_values_are_read_back_in_their_one_spelling(salesforce: SalesforceSession, ids: list[str]) -> None:
    written = {"NPS_Score__c": "9", "NPS_Category__c": "Passive", "NPS_Responded_At__c": "2026-03-01T09:30:00Z"}
    salesforce.push(TARGET, [change(ids[0], **written)])
    nothing = dict.fromkeys(KINDS)
    assert salesforce.read_back(TARGET, ids[:2], KINDS) == {ids[0]: written, ids[1]: nothing}


def test_records_that_are_gone_are_absent(
    fresh_sandbox: Sandbox, salesforce: SalesforceSession, ids: list[str]
) -> None:
    fresh_sandbox.control["salesforce"].delete("Contact", ids[1])
    asked = [ids[0], ids[1], UNKNOWN, "nonsense", "003' OR Name != '", ""]
    assert list(salesforce.read_back(TARGET, asked, {"NPS_Score__c": "number"})) == [ids[0]]
    (request,) = fresh_sandbox.control["salesforce"].requests()
    assert UNKNOWN in request["query"]
    assert "nonsense" not in request["query"]  # Salesforce would refuse the whole query
    assert "Name" not in request["query"]
    assert salesforce.read_back(TARGET, [], KINDS) == {}


def test_short_ids_are_read_back_under_the_name_that_was_asked_for(
    salesforce: SalesforceSession, ids: list[str]
) -> None:
    assert list(salesforce.read_back(TARGET, [ids[0][:15]], KINDS)) == [ids[0][:15]]


def test_many_records_are_read_back_in_parts(
    fresh_sandbox: Sandbox, salesforce: SalesforceSession, ids: list[str]
) -> None:
    others = [salesforce_id("003", number) for number in range(10_000, 10_400)]
    assert list(salesforce.read_back(TARGET, [ids[0], *others, ids[1]], KINDS)) == ids[:2]
    assert len(fresh_sandbox.control["salesforce"].requests()) == 3


def test_a_name_that_is_none_is_not_sent(salesforce: SalesforceSession, ids: list[str]) -> None:
    with pytest.raises(ConfigError, match="is no API name"):
        salesforce.read_back(TARGET, ids[:1], {"Name FROM User": "text"})
