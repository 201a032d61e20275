# ruff: noqa: RUF001 - look-alike signs are the subject here
"""Real survey files beside the checkout; each test is skipped where its file is absent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.survey_files import FileMapping, SurveyFile, open_survey_file

Real = Callable[[str], Path]
Payloads = Callable[[SurveyFile], list[dict[str, Any]]]

RETAIL = FileMapping.model_validate(
    {
        "name": "retail", "match": "retail_*.csv", "id": "id", "score": "nps", "scale": [0, 10],
        "comment": "explication", "responded_at": {"constant": date(2017, 1, 1), "timezone": "Europe/Paris"},
        "survey_type": "relational", "channel": "store", "touchpoint": "purchase",
    }
)  # fmt: skip
COUNTRIES = FileMapping.model_validate(
    {
        "name": "countries", "match": "six_*.csv", "id": "survey_id", "respondent": "customer_id", "score": "nps_score",
        "scale": [0, 10], "comment": "comment", "responded_at": "survey_date",
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def retail(real_file: Real, payloads: Payloads) -> tuple[SurveyFile, list[dict[str, Any]]]:
    file = open_survey_file(real_file("retail_fr_nps.csv"), [RETAIL], "UTC")
    return file, payloads(file)


Retail = tuple[SurveyFile, list[dict[str, Any]]]


def test_the_french_retailer_is_read_whole(retail: Retail) -> None:
    file, payloads_ = retail
    rows = [payload["mapped"] for payload in payloads_]
    scores = Counter(row["score"] for row in rows)
    whole = [int(score) for score in scores.elements() if score != "NA"]
    assert file.data_rows == len(rows) == 13_954
    assert len({row["response_id"] for row in rows}) == 13_954
    assert (len(whole), scores["NA"]) == (13_612, 342)
    assert (sum(score >= 9 for score in whole), sum(score <= 6 for score in whole)) == (8_465, 1_194)
    assert sum("comment" in row for row in rows) == 3_839
    assert {row["responded_at"] for row in rows} == {"2016-12-31 23:00:00.000000"}


def test_the_french_comments_are_readable(retail: Retail) -> None:
    comments = {payload["mapped"]["response_id"]: payload["mapped"].get("comment", "") for payload in retail[1]}
    assert comments["2482"] == ("Il y a très peu de caisse ouverte et le délai d'attente est particulièrement long!!!!")
    assert "bon de réduction de 15€ que j'ai oublié" in comments["4943"]
    assert "le même meuble d'aquarium (EMOTION100), il y ai 44? de différence" in comments["2675041"]
    assert comments["2072483"].startswith("ÇA SERAIT BIEN")


def test_every_ambiguous_byte_of_the_french_file_is_read_by_its_neighbours(retail: Retail) -> None:
    text = "\n".join(payload["cells"]["explication"] for payload in retail[1])
    expected = (
        "coïncidence…", "notaùmment", "«zen»", "question n°1", "N° 1488875", "d´avoir", "bien§ merci", "PERSONNEL TRÈS",
        "ÊTRE SERVI", "NOËL", "DÉÇU", "À VOS CLIENTS", "À St Genis", "d'oïdium", "fraîche", "gâteau", "goût", "ambiguë",
        "aidéS", "cheque de 6€ de",
    )  # fmt: skip
    assert [words for words in expected if words not in text] == []
    assert not any("\x80" <= char <= "\x9f" or char in "\ufffd‚ƒŒ‹ÓÒÔÚ" for char in text)
    assert "2493 byte runs repaired, 10 of them doubtful" in retail[0].notes


def test_six_countries_are_mapped_and_csat_stays_in_the_cells(real_file: Real, payloads: Payloads) -> None:
    rows = payloads(open_survey_file(real_file("six_countries_nps.csv"), [COUNTRIES], "UTC"))
    assert Counter(int(row["mapped"]["score"]) for row in rows).total() == 20
    assert rows[3]["mapped"]["comment"] == "Zu langsam und unzuverlässig"
    assert rows[3]["cells"]["csat_score"] == "2"
    assert (rows[0]["mapped"]["respondent_id"], rows[0]["mapped"]["responded_at"]) == (
        "C001",
        "2024-01-15 00:00:00.000000",
    )


@pytest.mark.parametrize(
    ("name", "stream", "note"),
    [
        ("qualtrics_sample.csv", "qualtrics", "recognised as Qualtrics, 3 header rows"),
        ("qualtrics_sample_legacy.csv", "qualtrics_legacy", "recognised as Qualtrics (legacy), 2 header rows"),
    ],
)
def test_the_qualtrics_samples_have_one_answer_and_no_recommend_question(
    real_file: Real, name: str, stream: str, note: str
) -> None:
    file = open_survey_file(real_file(name), [], "UTC")
    (record,) = [record for page in file.pages() for record in page.records]
    assert (file.stream.name, file.notes[0]) == (stream, note)
    assert any("no recommend question found" in note for note in file.notes)
    assert record.record_id == "R_2YPOQ602ER1jkf1"
    assert json.loads(record.payload)["mapped"]["excluded"] == "not_nps"
    assert json.loads(record.payload)["cells"]["Q2"] == "Hello World!"
