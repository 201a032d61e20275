"""The whole loop on the sandbox CRMs: what they serve becomes the mart, the mart becomes scores in the CRMs."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from connectors.survey_files.connector import SOURCE
from nps_pipeline.automation import SYNC_JOB
from nps_pipeline.execute import Exit, RunResult
from nps_pipeline.keys import landed
from sandbox.serve import Sandbox
from tests.nps_pipeline.command import Command, leaks
from tests.nps_pipeline.pipeline import Pipeline, content

CONFIGURATION = Path(__file__).resolve().parents[2] / "sandbox" / "demo.yaml"
WRITTEN = {
    "salesforce": ("Contact", ("NPS_Score__c", "NPS_Category__c", "NPS_Responded_At__c")),
    "hubspot": ("contacts", ("nps_score", "nps_category", "nps_responded_at")),
    "zendesk": ("users", ("nps_score", "nps_category", "nps_responded_at")),
}
Ref = tuple[str, ...]
CLASSES = ("kept", "duplicate", "excluded", "quarantined")


@dataclass
class Loop:
    """Two runs that write, one after the other, and what was seen after each."""

    pipeline: Pipeline
    crms: Sandbox
    first: RunResult
    second: RunResult
    content_after_first: dict[str, list[tuple[Any, ...]]]
    writes_of_first: dict[str, int]
    writes_of_second: dict[str, int]


def writes(crms: Sandbox) -> dict[str, int]:
    counts = {name: len(control.writes()) for name, control in crms.control.items()}
    for control in crms.control.values():
        control.forget_requests()
    return counts


@pytest.fixture(scope="module")
def loop(crms: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Loop:
    pipeline = Pipeline(
        tmp_path_factory.mktemp("loop"),
        now=datetime.now(UTC),  # the CRMs stamp what is written with the real time
        configuration=yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8")),
        environment=crms.environment,
    )
    for control in crms.control.values():
        control.reset()
    pipeline.home.inbox.mkdir(parents=True)
    crms.population.write_survey_csv(pipeline.home.inbox)
    first = pipeline.run(sync="apply")
    after_first, writes_of_first = content(pipeline), writes(crms)
    second = pipeline.run(sync="apply")
    return Loop(pipeline, crms, first, second, after_first, writes_of_first, writes(crms))


def test_both_runs_succeed(loop: Loop) -> None:
    assert (loop.first.exit, loop.first.problems) == (Exit.DONE, ())
    assert (loop.second.exit, loop.second.problems) == (Exit.DONE, ())


def test_every_answer_is_in_the_class_the_truth_says(loop: Loop) -> None:
    found = {
        (row["source_system"], row["source_stream"], row["source_record_id"]): (row["class"], row["reason"])
        for row in loop.pipeline.query(
            """
            select source_system, source_stream, source_record_id, 'kept' as class, null as reason
            from fct_nps_responses
            union all select source_system, source_stream, source_record_id, 'duplicate', null from duplicate_responses
            union all select source_system, source_stream, source_record_id, 'excluded', reason from excluded_responses
            union all
            select source_system, source_stream, source_record_id, 'quarantined', reason from quarantined_responses
            """
        )
    }
    # the file's rows are named by the tool's response id
    true = {tuple(one.ref): (one.classification, one.reason) for one in loop.crms.truth.responses}

    assert found == true


def test_kept_answers_say_what_the_truth_says(loop: Loop) -> None:
    rows = loop.pipeline.query(
        """
        select responses.*, strftime(responded_at, '%Y-%m-%dT%H:%M:%S') as at, dim_surveys.name as survey
        from fct_nps_responses as responses left join dim_surveys using (survey_id)
        """
    )
    true = {tuple(one.ref): one for one in loop.crms.truth.responses if one.classification == "kept"}
    for row in rows:
        one = true[row["source_system"], row["source_stream"], row["source_record_id"]]
        # the export does not say how an answer reached it: its mapping does
        channel = "email" if one.ref.source == SOURCE else one.channel
        assert (row["score"], row["survey_type"], row["channel"], row["touchpoint"]) == (
            one.score, one.survey_type, channel, one.touchpoint,
        )  # fmt: skip
        assert (row["comment"] or "") == (one.comment or "").strip()  # blanks around a cell are no part of it
        assert row["at"] == (one.responded_at or "")[:19]
        assert row["survey"] == one.survey_name
        assert (row["customer_id"] is None) == (one.person is None)
    assert len(rows) == len(true)


def test_people_and_companies_are_the_true_ones(loop: Loop) -> None:
    for table, key, truth in (
        ("customer_identities", "customer_id", loop.crms.truth.persons),
        ("account_identities", "account_id", loop.crms.truth.companies),
    ):
        rows = loop.pipeline.query(f"select {key} as id, source_system, source_stream, source_record_id from {table}")
        groups: dict[str, set[tuple[str, ...]]] = {}
        streams = {ref[:2] for one in truth for ref in one.records}
        for row in rows:
            ref = (row["source_system"], row["source_stream"], row["source_record_id"])
            if ref[:2] in streams:
                groups.setdefault(row["id"], set()).add(ref)
        assert {frozenset(group) for group in groups.values()} == {
            frozenset(tuple(ref) for ref in one.records) for one in truth if one.records
        }


def pairs(groups: Iterable[Iterable[Ref]]) -> set[frozenset[Ref]]:
    """Every two records that are one person."""
    return {frozenset(two) for group in groups for two in combinations(sorted(group), 2)}


def test_no_two_people_are_joined_and_nearly_none_is_torn(loop: Loop) -> None:
    truth = {tuple(ref): person.key for person in loop.crms.truth.persons for ref in person.records}
    customers: dict[str, list[Ref]] = {}
    for row in loop.pipeline.query("select * from customer_identities"):
        ref = (row["source_system"], row["source_stream"], row["source_record_id"])
        if ref in truth:
            customers.setdefault(row["customer_id"], []).append(ref)
    people: dict[str, list[Ref]] = {}
    for ref, person in truth.items():
        people.setdefault(person, []).append(ref)
    found, true = pairs(customers.values()), pairs(people.values())

    assert {tuple(sorted(truth[ref] for ref in two)) for two in found - true} == set()  # precision 1.000
    assert len(found & true) / len(true) >= 0.98, sorted({truth[ref] for two in true - found for ref in two})


def test_every_rule_of_identity_joins_somebody(loop: Loop) -> None:
    edges = loop.pipeline.query("select rule, refused, count(*) as records from identity_edges group by all")
    joined = {edge["rule"] for edge in edges if edge["refused"] is None}
    assert joined >= {"person_reference", "merge", "cross_reference", "email", "phone", "own_record"}
    refused = {(edge["rule"], edge["refused"]) for edge in edges if edge["refused"]}
    assert refused >= {
        ("email", "shared_mailbox"), ("email", "many_people"), ("phone", "no_number"), ("phone", "no_full_name"),
    }  # fmt: skip


def test_invitations_and_their_answers_are_the_true_ones(loop: Loop) -> None:
    rows = loop.pipeline.query("select source_record_id, responded, customer_id from fct_invitations")
    true = {one.ref.record_id: (one.answered, one.person is not None) for one in loop.crms.truth.invitations}

    # of a link nobody can say whether it was answered
    found = {row["source_record_id"]: (bool(row["responded"]), row["customer_id"] is not None) for row in rows}
    assert found == true
    cells = loop.pipeline.query(
        "select * from nps_by_period where grain = 'all_time' and channel = 'all' and touchpoint = 'all'"
    )
    (cell,) = [cell for cell in cells if cell["invited"]]
    personal = [one for one in loop.crms.truth.invitations if one.person]
    assert (cell["invited"], cell["invited_responded"]) == (len(personal), sum(one.answered for one in personal))
    assert float(cell["response_rate"]) == pytest.approx(cell["invited_responded"] / cell["invited"], abs=1e-4)


def test_every_stream_conserves_its_rows(loop: Loop) -> None:
    rows = loop.pipeline.query("select * from conservation")
    assert {row["role"] for row in rows} >= {"response", "person", "account", "invitation", "reference"}
    for row in rows:
        parts = sum(row[name] for name in (*CLASSES, "superseded", "deleted", "current"))
        assert row["served"] == parts, row["source_stream"]


def test_the_scores_stand_in_every_crm(loop: Loop) -> None:
    wanted = loop.pipeline.query("select * from sync_wanted")
    targets = Counter((row["destination"], row["customer_id"], row["field"]) for row in wanted)
    assert {row["destination"] for row in wanted} == set(WRITTEN)
    stored_in = {name: loop.crms.control[name].state(table) for name, (table, _) in WRITTEN.items()}
    for row in wanted:
        if targets[row["destination"], row["customer_id"], row["field"]] > 1:
            continue  # two records of one person: neither is written
        record = stored_in[row["destination"]][row["record_id"]]["fields"]
        stored = (record.get("user_fields") or record).get(row["field"])
        assert stored is not None
        if "score" in row["field"].lower():
            assert float(stored) == float(row["wanted"])
        elif "category" in row["field"].lower():
            assert stored == row["wanted"]
        else:
            assert str(stored)[:10] == row["wanted"][:10]


def test_writes_go_out_in_the_largest_batches(loop: Loop) -> None:
    records = {
        row["destination"]: row["records"]
        for row in loop.pipeline.query(
            """
            select destination, count(distinct record_id) as records from (
                select *, count(distinct record_id) over (partition by destination, customer_id) as targets
                from sync_wanted
            ) where targets = 1 group by destination
            """
        )
    }
    sizes = {"salesforce": 200, "hubspot": 100, "zendesk": 100}
    assert loop.writes_of_first == {name: -(-records[name] // size) for name, size in sizes.items()}


def test_the_second_run_writes_nothing_and_the_mart_is_the_same(loop: Loop) -> None:
    assert set(loop.writes_of_second.values()) == {0}
    assert content(loop.pipeline) == loop.content_after_first


def test_a_third_run_of_one_source_asks_only_that_source_and_publishes_nothing(loop: Loop) -> None:
    writes(loop.crms)

    third = loop.pipeline.run(only="hubspot")

    assert (third.exit, third.published) == (Exit.DONE, False)
    assert {name: bool(control.requests()) for name, control in loop.crms.control.items()} == {
        "hubspot": True,
        "salesforce": False,
        "zendesk": False,
    }


def test_a_broken_check_writes_to_no_crm_and_sync_alone_reads_the_last_good_publication(
    loop: Loop, tmp_path: Path
) -> None:
    suite = tmp_path / "broken.yaml"
    suite.write_text(
        """
suite: broken
expectations:
  - name: nobody_answers
    table: fct_nps_responses
    severity: critical
    owner: data engineering
    says: There are no answers.
    remedy: none.
    rows_that_fail: select 1 from {batch}
""",
        encoding="utf-8",
    )
    crms, good = loop.crms, loop.pipeline.publication.publication_id
    contact = next(iter(crms.control["hubspot"].state("contacts")))
    crms.control["hubspot"].edit("contacts", contact, lifecyclestage="other")
    writes(crms)
    broken = dataclasses.replace(loop.pipeline, suite_files=[suite])

    refused = broken.run(sync="apply")

    assert refused.exit == Exit.FAILED
    assert set(writes(crms).values()) == {0}
    assert loop.pipeline.publication.publication_id == good

    alone = loop.pipeline.definitions().resolve_job_def(SYNC_JOB)
    done = alone.execute_in_process(
        instance=dg.DagsterInstance.get(), run_config={"ops": {"sync_back": {"config": {"mode": "apply"}}}}
    )
    assert done.success
    assert set(writes(crms).values()) == {0}
    event, _ = done.get_asset_materialization_events()  # and the outcome, which found nothing to say
    assert event.step_materialization_data.materialization.metadata["publication_id"].value == good


def test_every_asset_of_a_stream_tells_rows_requests_and_budget(loop: Loop) -> None:
    loop.pipeline.definitions()
    with dg.DagsterInstance.get() as instance:
        for source in WRITTEN:
            for stream in loop.pipeline.settings().crm_streams(source):
                event = instance.get_latest_materialization_event(landed(source, stream.name))
                assert event is not None
                assert event.asset_materialization is not None
                told = event.asset_materialization.metadata
                assert told["requests"].value
                assert told["api_budget_remaining"].value
                assert {"rows", "reread_rows", "bytes", "mode", "api_budget_limit", "api_budget_per"} <= told.keys()


def test_no_customer_data_is_kept_outside_its_places(loop: Loop) -> None:
    people = loop.crms.truth.persons[:40]
    answers = [one for one in loop.crms.truth.responses if one.comment and one.classification == "kept"][:40]
    canaries = {email for person in people for email in person.emails}
    canaries |= {comment.splitlines()[0] for one in answers if (comment := one.comment)}

    assert len(canaries) > 50
    assert leaks(loop.pipeline.home, canaries) == set()


def test_the_commands_tell_what_was_written_and_what_would_be(loop: Loop) -> None:
    nps = Command(loop.pipeline.folder, yaml.safe_dump(loop.pipeline.configuration))

    plan, status = json.loads(nps.here("plan", "--json").stdout), json.loads(nps.here("status", "--json").stdout)
    printed = nps.here("plan", "--destination", "zendesk")

    assert plan["write_requests"] == {"hubspot": 0, "salesforce": 0, "zendesk": 0}
    assert {one["decision"] for one in plan["decisions"]} == {"no_op", "no_target", "ambiguous_target"}
    assert all(one["reason"] for one in plan["decisions"])
    assert {one["destination"]: one["open"] for one in status["sync"]} == {name: [] for name in WRITTEN}
    assert "zendesk: 0 write requests to send" in printed.stdout
    assert "hubspot" not in printed.stdout


def test_what_fails_is_named_at_once_and_the_others_publish(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.http.sleep", lambda _: None)
    configuration = copy.deepcopy(loop.pipeline.configuration)
    configuration["sync"]["salesforce"]["contact"]["fields"]["category"]["spelling"]["promoter"] = "Fan"
    wrong = {**loop.crms.environment, "HUBSPOT_BASE_URL": "http://127.0.0.1:9", "ZENDESK_TOKEN": ""}
    pipeline = Pipeline(tmp_path, now=loop.pipeline.now, configuration=configuration, environment=wrong)
    loop.crms.control["salesforce"].reset()
    writes(loop.crms)

    result = pipeline.run(sync="apply")

    assert (result.exit, result.published) == (Exit.DEGRADED, True)
    told = "\n".join(result.problems)
    for words in (
        "HubSpot could not be reached",
        "ZENDESK_TOKEN must be set",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    ):
        assert words in told
    assert "Traceback" not in told
    assert {row["source_system"] for row in pipeline.query("select * from conservation")} == {"salesforce"}
    assert {name: count > 0 for name, count in writes(loop.crms).items()} == {
        "salesforce": True,
        "hubspot": False,
        "zendesk": False,
    }
    (status,) = json.loads(Command(tmp_path, yaml.safe_dump(configuration)).here("status", "--json").stdout)["sync"]
    assert {one["state"] for one in status["open"]} == {"REJECTED"}
    assert status["states"]["CONFIRMED"] > 0
