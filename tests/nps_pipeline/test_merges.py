"""Merges in the CRMs: whose answers those of the old ids are, what is written where, and what a rebuild makes of it.

Two CRMs are pulled and written; then people merge contacts and companies there, and all of it happens again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from nps_pipeline.execute import Exit, RunResult
from nps_pipeline.landing import list_loads
from nps_pipeline.ledger_file import to_read
from sandbox.hubspot.hooks import HubSpotControl
from sandbox.salesforce.hooks import SalesforceControl
from sandbox.serve import Sandbox
from tests.nps_pipeline.loads import rows
from tests.nps_pipeline.pipeline import Pipeline, content

CONFIGURATION = Path(__file__).resolve().parents[2] / "sandbox" / "demo.yaml"
PEOPLE = {"salesforce": "Contact", "hubspot": "contacts"}
COMPANIES = {"salesforce": "Account", "hubspot": "companies"}
SCORES = {"salesforce": "NPS_Score__c", "hubspot": "nps_score"}
every_crm = pytest.mark.parametrize("source", PEOPLE)


@dataclass(frozen=True)
class Before:
    """What was merged in one CRM: the records that went, the customers or accounts these were, all their answers.

    ``score`` is that of the newest answer.
    """

    gone: list[str]
    ids: set[str]
    answers: set[str]
    score: int = -1


@dataclass(frozen=True)
class World:
    """A pipeline after two runs that write, between which records were merged, per CRM; ``left`` are the others."""

    pipeline: Pipeline
    crms: Sandbox
    second: RunResult
    people: dict[str, Before]
    companies: dict[str, Before]
    left: dict[str, str]
    left_company: dict[str, str]
    written_before: set[tuple[str, str]]


def alone(pipeline: Pipeline, source: str) -> list[dict[str, Any]]:
    """Customers with one record in all CRMs, which is in this one, and a relational answer; the newest goes first."""
    return pipeline.query(
        f"""
        select
            customer_id as id, source_record_id as record_id, customer_nps.score,
            customer_id in (select customer_id from fct_invitations where customer_id is not null) as is_invited
        from (
            select *, count(*) over (partition by customer_id) as records from customer_identities
            where source_stream in ('Contact', 'contacts')
        )
        inner join customer_nps using (customer_id)
        where records = 1 and source_system = '{source}' and survey_type = 'relational'
        order by responded_at desc, customer_id
        """
    )


def companies_alone(pipeline: Pipeline, source: str, others: set[str]) -> list[dict[str, Any]]:
    """Accounts with one record in all CRMs, which is in this one, and answers, none of them of the other customers."""
    listed = ", ".join(f"'{one}'" for one in sorted(others))
    return pipeline.query(
        f"""
        select account_id as id, source_record_id as record_id
        from (select *, count(*) over (partition by account_id) as records from account_identities)
        where
            records = 1 and source_system = '{source}'
            and account_id in (select account_id from fct_nps_responses)
            and account_id not in (
                select account_id from fct_nps_responses where account_id is not null and customer_id in ({listed})
            )
        order by source_record_id
        """
    )


def answers(pipeline: Pipeline, key: str, ids: set[str]) -> set[str]:
    rows_of_them = pipeline.query(f"select response_id, {key} as id from fct_nps_responses where {key} is not null")
    return {row["response_id"] for row in rows_of_them if row["id"] in ids}


def written(pipeline: Pipeline) -> set[tuple[str, str]]:
    """The records that the sync of this publication has written."""
    with to_read(pipeline.home) as ledger:
        assert ledger is not None
        sql = "select distinct destination, record_id from op where publication_id = ? and state = 'CONFIRMED'"
        return {(row[0], row[1]) for row in ledger.execute(sql, (pipeline.publication.publication_id,))}


def configuration() -> dict[str, Any]:
    demo: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    for section in ("sources", "sync"):
        demo[section] = {name: said for name, said in demo[section].items() if name not in ("zendesk", "files")}
    return demo


@pytest.fixture(scope="module")
def world(crms: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> World:
    for control in crms.control.values():
        control.reset()
    folder = tmp_path_factory.mktemp("merges")
    pipeline = Pipeline(folder, datetime.now(UTC), configuration=configuration(), environment=crms.environment)
    assert pipeline.run(sync="apply").exit == Exit.DONE
    people, companies, written_before = {}, {}, written(pipeline)
    for source in PEOPLE:
        newest, *older = alone(pipeline, source)
        others = [one for one in older if one["score"] != newest["score"]]
        three = [newest, *sorted(others, key=lambda one: not one["is_invited"])[:2]]
        gone, ids = [one["record_id"] for one in three], {one["id"] for one in three}
        people[source] = Before(gone, ids, answers(pipeline, "customer_id", ids), newest["score"])
    for source in COMPANIES:
        two = companies_alone(pipeline, source, people["salesforce"].ids | people["hubspot"].ids)[:2]
        ids = {one["id"] for one in two}
        companies[source] = Before([one["record_id"] for one in two], ids, answers(pipeline, "account_id", ids))
    left, left_company = merge(crms, people, companies)
    pipeline.now += timedelta(minutes=1)
    second = pipeline.run(sync="apply")
    return World(pipeline, crms, second, people, companies, left, left_company, written_before)


def merge(
    crms: Sandbox, people: dict[str, Before], companies: dict[str, Before]
) -> tuple[dict[str, str], dict[str, str]]:
    """Three contacts become one, in two steps, and two companies one; in Salesforce the last of them is kept."""
    salesforce = SalesforceControl.of(crms.control["salesforce"])
    hubspot = HubSpotControl.of(crms.control["hubspot"])
    one, other, kept = people["salesforce"].gone
    salesforce.merge("Contact", one, other)
    salesforce.merge("Contact", other, kept)
    lost_company, kept_company = companies["salesforce"].gone
    salesforce.merge("Account", lost_company, kept_company)
    for before in (people["salesforce"], companies["salesforce"]):
        before.gone.pop()
    one, other, third = people["hubspot"].gone
    new = hubspot.merge("contacts", hubspot.merge("contacts", other, one), third)
    new_company = hubspot.merge("companies", *companies["hubspot"].gone)
    return {"salesforce": kept, "hubspot": new}, {"salesforce": kept_company, "hubspot": new_company}


def test_what_was_merged_is_pulled_and_published(world: World) -> None:
    assert (world.second.exit, world.second.problems, world.second.published) == (Exit.DONE, (), True)


@every_crm
def test_one_customer_has_the_answers_of_all_that_were_merged(world: World, source: str) -> None:
    before = world.people[source]
    found = world.pipeline.query("select response_id, customer_id from fct_nps_responses where customer_id is not null")
    customers = {row["customer_id"] for row in found if row["response_id"] in before.answers}
    assert (len(before.ids), len(customers)) == (3, 1)
    assert customers < before.ids  # the one that was known first
    assert answers(world.pipeline, "customer_id", customers) == before.answers
    there = {row["customer_id"] for row in world.pipeline.query("select customer_id from dim_customers")}
    assert there & before.ids == customers


@every_crm
def test_each_record_that_went_names_the_one_that_took_its_place(world: World, source: str) -> None:
    known = {
        row["source_record_id"]: (row["rule"], row["evidence"])
        for row in world.pipeline.query(
            f"select * from customer_identities where (source_system, source_stream) = ('{source}', '{PEOPLE[source]}')"
        )
    }
    one, other, *_ = world.people[source].gone
    if source == "salesforce":
        assert (known[one], known[other]) == (("merge", other), ("merge", world.left[source]))
    else:  # every step has a record of its own, and the last one lists them all
        assert {known[gone] for gone in world.people[source].gone} == {("merge", world.left[source])}
        rule, evidence = known[world.left[source]]
        assert (rule, evidence in known.keys() - {world.left[source]}) == ("merge", True)


@every_crm
def test_answers_still_name_the_records_that_went(world: World, source: str) -> None:
    named = world.pipeline.query("select evidence from customer_identities where rule = 'person_reference'")
    assert {row["evidence"] for row in named} & {*world.people[source].gone}


def test_an_invitation_of_a_record_that_went_is_the_customers(world: World) -> None:
    invited = {
        key
        for key, one in world.crms.control["salesforce"].state("SurveyInvitation").items()
        if one["fields"]["ContactId"] in world.people["salesforce"].gone
    }
    found = {
        row["source_record_id"]: row["customer_id"]
        for row in world.pipeline.query("select source_record_id, customer_id from fct_invitations")
    }
    left = world.left["salesforce"]
    customer = world.pipeline.one(f"select customer_id from customer_identities where source_record_id = '{left}'")
    assert invited
    assert {found[one] for one in invited} == {customer}


@every_crm
def test_only_the_record_that_is_left_is_written(world: World, source: str) -> None:
    gone = {(source, one) for one in world.people[source].gone}
    assert gone <= world.written_before
    assert {(source, world.left[source])} <= written(world.pipeline)
    assert not gone & written(world.pipeline)
    for table in ("sync_wanted", "sync_observed"):
        there = world.pipeline.query(f"select record_id from {table} where destination = '{source}'")
        assert {row["record_id"] for row in there}.isdisjoint(world.people[source].gone)
    fields = world.crms.control[source].state(PEOPLE[source])[world.left[source]]["fields"]
    assert float(fields[SCORES[source]]) == world.people[source].score


@every_crm
def test_answers_of_merged_companies_are_those_of_one_account(world: World, source: str) -> None:
    before = world.companies[source]
    found = world.pipeline.query("select response_id, account_id from fct_nps_responses where account_id is not null")
    accounts = {row["account_id"] for row in found if row["response_id"] in before.answers}
    assert (len(before.ids), len(accounts)) == (2, 1)
    assert accounts < before.ids
    known = {
        row["source_record_id"]: (row["account_id"], row["rule"], row["evidence"])
        for row in world.pipeline.query(f"select * from account_identities where source_system = '{source}'")
    }
    (account,) = accounts
    for gone in before.gone:
        assert known[gone] == (account, "merge", world.left_company[source])
    there = {row["account_id"] for row in world.pipeline.query("select account_id from dim_accounts")}
    assert there & before.ids == accounts


def test_a_purge_and_a_rebuild_change_nothing(world: World) -> None:
    """A purged record is landed as deleted once more, and that delete does not say any more into which it went."""
    pipeline, gone = world.pipeline, world.people["salesforce"].gone[0]
    before = content(pipeline)
    SalesforceControl.of(world.crms.control["salesforce"]).purge("Contact", gone)
    pipeline.home.work_db.unlink()
    pipeline.now += timedelta(minutes=1)
    pipeline.configuration["reporting"]["min_n"] += 1  # another definition: it must be published anew

    assert pipeline.run(sync="off").published is True

    last = {row["record_id"]: row for row in rows(list_loads(pipeline.home, "salesforce", "Contact")[-1])}
    assert last[gone]["is_deleted"]
    assert "MasterRecordId" not in last[gone]["payload"]
    numbers = {"nps_by_period", "account_nps"}  # they follow the minimum
    after = content(pipeline)
    assert {name: after[name] for name in after.keys() - numbers} == {
        name: before[name] for name in before.keys() - numbers
    }
