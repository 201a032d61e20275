"""Who somebody is and why, asked of a published mart as a person asks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nps_pipeline.execute import Exit
from nps_pipeline.explain import AT_MOST, UnknownRecordError, explain
from tests.nps_pipeline.command import SHOP, Command
from tests.nps_pipeline.pipeline import Pipeline

ROWS = [
    ("1", "Ann@x.example", "K1", "Ann Ek"),
    ("2", "ann@x.example", "", ""),
    ("3", "info@x.example", "", ""),
    ("4", "info@x.example", "K4", "Bo"),
    ("5", "a@x.example", "kiosk", ""),
    ("6", "b@x.example", "kiosk", ""),
    ("7", "c@x.example", "kiosk", ""),
    ("8", "", "", ""),
    *((f"many{number}", "ann@x.example", f"N{number}", "") for number in range(2)),
]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    configuration: dict[str, Any] = yaml.safe_load(SHOP) | {"identity": {"keys_per_customer": 4}}
    shop = Pipeline(tmp_path_factory.mktemp("explain"), configuration=configuration)
    lines = [f"{key},{mail},{customer},{name},9,,2026-11-01 10:00:00" for key, mail, customer, name in ROWS]
    shop.write("shop.csv", "\n".join(["id,mail,customer,name,nps,why,at", *lines]) + "\n")
    # kiosk makes three addresses one: 4 keys, just as large as is allowed; Ann has 4 as well
    assert shop.run().exit == Exit.DONE
    return shop


def only(pipeline: Pipeline, what: str) -> Any:
    (identity,) = explain(pipeline.publication, what)
    return identity


@pytest.mark.parametrize("by", ["ANN@x.example", "1", "files.shop/2", "k1", "customer_id", "response_id"])
def test_a_customer_is_found_by_whatever_a_person_has(pipeline: Pipeline, by: str) -> None:
    if by.endswith("_id"):
        by = pipeline.one(f"select {by} from fct_nps_responses where source_record_id = '1'")
    identity = only(pipeline, by)
    assert identity.customer is not None
    assert identity.customer["display_name"] == "Ann Ek"
    assert {row["source_record_id"] for row in identity.records} == {"1", "2", "many0", "many1"}
    assert {(row["source_record_id"], row["shared_key"]) for row in identity.keys} == {
        ("1", "email:ann@x.example"),
        ("1", "respondent:files/shop/K1"),
        ("2", "email:ann@x.example"),
        ("many0", "email:ann@x.example"),
        ("many0", "respondent:files/shop/N0"),
        ("many1", "email:ann@x.example"),
        ("many1", "respondent:files/shop/N1"),
    }
    assert identity.refused == []


def test_what_was_refused_to_join_is_told_with_the_reason(pipeline: Pipeline) -> None:
    bo = only(pipeline, "4")
    assert [row["rule"] for row in bo.keys] == ["respondent_id"]
    assert [(row["evidence"], row["refused"], row["other_records"]) for row in bo.refused] == [
        ("info@x.example", "shared_mailbox", 1)
    ]


def test_a_record_of_nobody_says_why(pipeline: Pipeline) -> None:
    nobody = only(pipeline, "3")
    assert nobody.customer is None
    assert nobody.records == [{"source_system": "files", "source_stream": "shop", "source_record_id": "3"}]
    assert [(row["evidence"], row["refused"]) for row in nobody.refused] == [("info@x.example", "shared_mailbox")]
    assert len(explain(pipeline.publication, "info@x.example")) == 2


def test_an_answer_without_any_key_is_nobodys(pipeline: Pipeline) -> None:
    anonymous = pipeline.one("select response_id from fct_nps_responses where source_record_id = '8'")
    identity = only(pipeline, anonymous)
    assert (identity.customer, identity.keys, identity.refused) == (None, [], [])


def test_what_is_not_there_is_one_sentence(pipeline: Pipeline) -> None:
    with pytest.raises(UnknownRecordError, match="Ask for a customer_id"):
        explain(pipeline.publication, "nobody@x.example")


def test_too_many_of_a_name_are_not_printed(tmp_path: Path) -> None:
    crowd = Pipeline(tmp_path, configuration=yaml.safe_load(SHOP) | {"identity": {"keys_per_customer": 4}})
    lines = [f"{n},m{n}@x.example,kiosk,,9,,2026-11-01 10:00:00" for n in range(AT_MOST + 1)]
    crowd.write("shop.csv", "\n".join(["id,mail,customer,name,nps,why,at", *lines]) + "\n")
    assert crowd.run().exit == Exit.DONE  # a warning is no reason to stay behind

    with pytest.raises(UnknownRecordError, match=f"{AT_MOST + 1} customers"):
        explain(crowd.publication, "kiosk")
    one = only(crowd, "m0@x.example")
    assert [(row["rule"], row["refused"], row["other_records"]) for row in one.refused] == [
        ("respondent_id", "too_many_keys", AT_MOST)
    ]
    verdict = json.loads((crowd.publication.mart.parent / "gate.json").read_text(encoding="utf-8"))
    (check,) = [result for result in verdict["results"] if result["check"] == "no_customer_is_too_large"]
    assert (check["severity"], check["status"], check["failed_rows"]) == ("warning", "failed", AT_MOST + 1)


def test_the_command_prints_tables_or_json(pipeline: Pipeline) -> None:
    command = Command(pipeline.folder)
    printed = command.here("explain", "4").stdout
    assert "Bo" in printed
    assert "Refused to join" in printed
    assert "the address of a role" in printed
    assert "No customer" in command.here("explain", "3").stdout
    (document,) = json.loads(command.here("explain", "1", "--json").stdout)
    assert {"customer", "records", "keys", "refused"} == set(document)
    unknown = command.here("explain", "nobody")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "Traceback" not in unknown.stderr
