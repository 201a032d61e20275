"""The survey files that the sandbox generates hold what their truth says, read through mappings as users write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.survey_files import FileMapping, SurveyFile, open_survey_file
from sandbox.survey_exports import write_survey_exports
from sandbox.survey_texts import COMMENTS

Payloads = Callable[[SurveyFile], list[dict[str, Any]]]

TODAY = date(2026, 11, 22)
MAPPINGS = """
- {name: retail_stores, match: "retail_stores*.csv", id: id, score: nps, scale: [0, 10], comment: explication,
   responded_at: {constant: 2026-01-15, timezone: Europe/Paris}, language: fr, survey_type: relational, channel: store,
   touchpoint: purchase}
- {name: six_countries, match: "six_countries*.csv", id: survey_id, respondent: customer_id, score: nps_score,
   scale: [0, 10], comment: comment, responded_at: survey_date, survey_type: relational, channel: email}
- {name: qualtrics_checkout, match: "qualtrics_checkout*.csv", profile: qualtrics, survey: checkout,
   survey_type: transactional, touchpoint: purchase}
- {name: typeform_checkout, match: "typeform_checkout*.csv", profile: typeform, survey: checkout,
   survey_type: transactional, channel: web, touchpoint: purchase}
- {name: surveymonkey_kunden, match: "surveymonkey_kunden*.csv", profile: surveymonkey, language: de,
   respondent: Custom Data 1, responded_at: {column: End Date, timezone: Europe/Berlin}, survey: customers,
   survey_type: relational, channel: email}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("exports")
    return path, write_survey_exports(path, 7, TODAY)


@pytest.fixture
def rows(folder: tuple[Path, dict[str, Any]], payloads: Payloads) -> dict[str, list[dict[str, Any]]]:
    mappings = [FileMapping.model_validate(declared) for declared in yaml.safe_load(MAPPINGS)]
    return {
        path.name: [row["mapped"] for row in payloads(open_survey_file(path, mappings, "America/New_York"))]
        for path in sorted(folder[0].iterdir())
    }


def whole(score: str) -> bool:
    return score.isdecimal() and int(score) <= 10


def test_every_file_holds_the_rows_and_classes_of_its_truth(
    folder: tuple[Path, dict[str, Any]], rows: dict[str, list[dict[str, Any]]]
) -> None:
    truths = folder[1]["files"]
    assert rows.keys() == truths.keys()
    for name, truth in truths.items():
        answers = [row["score"] for row in rows[name] if "excluded" not in row]
        scores = [int(score) for score in answers if whole(score)]
        assert len(rows[name]) == truth["rows"], name
        assert Counter(row["excluded"] for row in rows[name] if "excluded" in row) == truth["excluded"], name
        assert len(scores) == truth["kept"], name
        assert len(answers) - len(scores) == sum(truth["quarantined"].values()), name
        found = (sum(score >= 9 for score in scores), sum(score <= 6 for score in scores))
        assert found == (truth["promoters"], truth["detractors"]), name
        assert sum(truth[key] for key in ("promoters", "passives", "detractors")) == truth["kept"], name


def test_refused_scores_of_every_kind_and_every_exclusion_are_there(folder: tuple[Path, dict[str, Any]]) -> None:
    truths = folder[1]["files"].values()
    assert {reason for truth in truths for reason in truth["quarantined"]} == {
        "score_blank", "score_not_available", "score_out_of_scale", "score_not_whole", "score_not_a_number",
    }  # fmt: skip
    assert {reason for truth in truths for reason in truth["excluded"]} == {"partial", "test", "bogus", "not_nps"}
    assert 1000 < sum(truth["rows"] for truth in truths) < 5000


def test_the_half_converted_comments_are_repaired_to_what_was_written(rows: dict[str, list[dict[str, Any]]]) -> None:
    written = {comment for comments in COMMENTS.values() for comment in comments["fr"]}
    found = {row["comment"] for row in rows["retail_stores.csv"] if "comment" in row}
    assert found == written


def test_answers_that_stand_in_two_tools_share_survey_person_score_comment_and_time(
    folder: tuple[Path, dict[str, Any]], rows: dict[str, list[dict[str, Any]]]
) -> None:
    def key(row: dict[str, Any]) -> tuple[str, ...]:
        return row["survey"], row["email"].lower(), row["score"], row.get("comment", "")

    def at(row: dict[str, Any]) -> datetime:
        return datetime.fromisoformat(row["responded_at"])

    first = {key(row): row for row in rows["qualtrics_checkout.csv"] if "excluded" not in row}
    pairs = [
        row
        for row in rows["typeform_checkout.csv"]
        if "excluded" not in row and (twin := first.get(key(row))) and 0 < (at(row) - at(twin)).total_seconds() <= 120
    ]
    assert len(pairs) == folder[1]["duplicates"] > 20


def test_the_same_people_answer_in_several_tools_with_their_address_in_different_case(
    folder: tuple[Path, dict[str, Any]], rows: dict[str, list[dict[str, Any]]]
) -> None:
    tools = ("qualtrics_checkout.csv", "typeform_checkout.csv", "surveymonkey_kunden.csv")
    people = [{row["email"].lower() for row in rows[tool]} for tool in tools]
    assert len(people[0] & people[2]) > 50
    assert len(set.union(*people)) == folder[1]["people"]
    assert len({row["email"] for tool in tools for row in rows[tool]}) > folder[1]["people"]


def test_the_answers_are_of_the_year_before_today(rows: dict[str, list[dict[str, Any]]]) -> None:
    days = {row["responded_at"][:10] for rows_ in rows.values() for row in rows_ if "responded_at" in row}
    assert min(days) >= "2025-11-21"
    assert max(days) < TODAY.isoformat()
    assert len(days) > 300


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    truths = [write_survey_exports(tmp_path / str(place), seed, TODAY) for place, seed in enumerate((7, 7, 8))]
    contents = [{path.name: path.read_bytes() for path in (tmp_path / str(place)).iterdir()} for place in range(3)]
    assert truths[0] == truths[1] != truths[2]
    assert contents[0] == contents[1]
    assert all(contents[0][name] != contents[2][name] for name in contents[0])
