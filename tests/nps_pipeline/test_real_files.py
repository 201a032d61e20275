"""Real survey files through the whole loop: the figures that are known of them come out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.nps_pipeline.pipeline import Pipeline

RETAIL = {
    "name": "retail",
    "match": "retail_*.csv",
    "id": "id",
    "score": "nps",
    "scale": [0, 10],
    "comment": "explication",
    "responded_at": {"constant": "2017-01-01", "timezone": "Europe/Paris"},
    "survey_type": "relational",
    "channel": "store",
    "touchpoint": "purchase",
}
SIX = {
    "name": "six_countries",
    "match": "six_*.csv",
    "id": "survey_id",
    "respondent": "customer_id",
    "score": "nps_score",
    "scale": [0, 10],
    "comment": "comment",
    "responded_at": "survey_date",
    "survey_type": "relational",
}
ALL_TIME = "select * from nps_by_period where grain = 'all_time' and channel = 'all' and touchpoint = 'all'"

RealFile = Callable[[str], Path]


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory, real_file: RealFile) -> Pipeline:
    path = real_file("retail_fr_nps.csv")
    pipeline = Pipeline(tmp_path_factory.mktemp("retail"))
    # six countries as transactional: survey types are never pooled, so each has the figures of its file alone
    files = [RETAIL, {**SIX, "survey_type": "transactional"}]
    pipeline.configuration |= {"sources": {"files": files}, "reporting": {"timezone": "Europe/Paris"}}
    others = ("six_countries_nps.csv", "qualtrics_sample.csv", "qualtrics_sample_legacy.csv")
    pipeline.drop(path, *[real_file(name) for name in others])
    assert pipeline.run().problems == ()
    return pipeline


def test_retail_has_its_true_figures(retail: Pipeline) -> None:
    (row,) = retail.query(f"{ALL_TIME} and survey_type = 'relational'")

    assert (row["responses"], row["promoters"], row["detractors"]) == (13_612, 8_465, 1_194)
    assert row["nps"] == Decimal("53.4161")
    assert (row["nps_low"] + row["nps_high"]) / 2 == pytest.approx(Decimal("53.4043"), abs=Decimal("0.0001"))
    assert (row["nps_high"] - row["nps_low"]) / 2 == pytest.approx(Decimal("1.0942"), abs=Decimal("0.0001"))
    assert str(row["period_start"]) == "2017-01-01"


def test_retail_conserves_every_row(retail: Pipeline) -> None:
    (row,) = retail.query("select * from conservation where source_stream = 'retail'")

    assert (row["served"], row["kept"], row["quarantined"]) == (13_954, 13_612, 342)
    assert row["superseded"] == row["deleted"] == row["excluded"] == row["duplicate"] == 0
    reasons = retail.query("select reason, count(*) as responses from quarantined_responses group by all")
    assert reasons == [{"reason": "score_not_available", "responses": 342}]


def test_retail_comments_are_readable(retail: Pipeline) -> None:
    comments = "\n".join(
        row["comment"] for row in retail.query("select comment from fct_nps_responses where comment <> ''")
    )

    for word in ("très", "été", "à la caisse", "conseillère", "fidélité", "qualité", "problème"):
        assert word in comments
    assert "\ufffd" not in comments
    assert not [character for character in comments if "\x80" <= character <= "\x9f"]
    assert retail.one("select count(*) from fct_nps_responses where comment is not null") > 3_000


def test_the_date_of_retail_is_declared(retail: Pipeline) -> None:
    (row,) = retail.query(
        "select distinct responded_at_basis, responded_at from fct_nps_responses where source_stream = 'retail'"
    )

    assert (row["responded_at_basis"], str(row["responded_at"])) == ("declared", "2016-12-31 23:00:00")


def test_qualtrics_without_an_nps_question_is_landed_and_excluded(retail: Pipeline) -> None:
    rows = retail.query("select * from conservation where source_stream like 'qualtrics%' order by source_stream")

    assert [(row["source_stream"], row["served"], row["excluded"], row["kept"]) for row in rows] == [
        ("qualtrics", 1, 1, 0),
        ("qualtrics_legacy", 1, 1, 0),
    ]
    assert {row["reason"] for row in retail.query("select reason from excluded_responses")} == {"not_nps"}


def test_six_countries_is_below_the_minimum_by_default(retail: Pipeline) -> None:
    (row,) = retail.query(f"{ALL_TIME} and survey_type = 'transactional'")

    assert (row["responses"], row["nps"], row["nps_low"], row["score_reason"]) == (20, None, None, "below_minimum")


def test_six_countries_alone_has_its_true_figures(tmp_path: Path, real_file: RealFile) -> None:
    pipeline = Pipeline(tmp_path)
    pipeline.configuration |= {"sources": {"files": [SIX]}, "reporting": {"min_n": 10}}
    pipeline.drop(real_file("six_countries_nps.csv"))

    assert pipeline.run().exit == 0

    (row,) = pipeline.query(ALL_TIME)
    assert (row["responses"], row["nps"], row["score_reason"]) == (20, Decimal("5.0000"), None)
    (conserved,) = pipeline.query("select served, kept from conservation")
    assert conserved == {"served": 20, "kept": 20}
