"""Several metrics, or scales, under one header: a file says so somewhere, and then somebody has to say what counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.survey_files import FileMapping, FileRefused, open_survey_file

Write = Callable[..., Path]
Build = Callable[..., FileMapping]
Mapped = Callable[..., list[dict[str, Any]]]

MIXED = "id,score,metric\n1,9,NPS\n2,4,CSAT\n3,5,Customer Effort Score\n4,8,Net Promoter Score®\n5,,CSAT\n"


def refusal(path: Path, mapping: FileMapping) -> str:
    with pytest.raises(FileRefused) as refused:
        open_survey_file(path, [mapping], "UTC")
    return str(refused.value)


def test_a_column_that_names_other_metrics_is_asked_about(write: Write, mapping: Build) -> None:
    said = refusal(write(MIXED), mapping())
    assert "column metric says that rows with a score are of another metric" in said
    assert 'exclude: [{column: "metric", values: [CSAT, Customer Effort Score], reason: other_metric}]' in said


def test_with_the_answer_the_other_metrics_are_excluded(mapped: Mapped) -> None:
    other = {"column": "metric", "values": ["CSAT", "Customer Effort Score"], "reason": "other_metric"}
    rows = mapped(MIXED, exclude=[other])
    assert [row["response_id"] for row in rows if "excluded" not in row] == ["1", "4"]
    assert {row["excluded"] for row in rows if "excluded" in row} == {"other_metric"}


@pytest.mark.parametrize(
    ("header", "cells", "other"),
    [
        ("Scale", ("0-10", "1-5"), "1-5"),
        ("max score", ("10", "5"), "5"),
        ("Skala", ("1 bis 10", "0 bis 10"), "1 bis 10"),
        ("type", ("stars", "stars"), "stars"),
        ("Art", ("NPS", "Zufriedenheit"), "Zufriedenheit"),
    ],
)
def test_other_scales_and_other_words_are_asked_about(
    write: Write, mapping: Build, header: str, cells: tuple[str, str], other: str
) -> None:
    content = f"id,score,{header}\n1,4,{cells[0]}\n2,5,{cells[1]}\n"
    assert f"({other})" in refusal(write(content), mapping())


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("Scale", ("0-10", "10")),
        ("type", ("nps", "NPS")),
        ("survey", ("csat", "onboarding")),  # names of surveys, not of metrics
        ("comment", ("satisfaction", "Effort was fine")),
        ("colour", ("5", "7")),
    ],
)
def test_what_names_no_other_metric_is_no_question(
    write: Write, mapping: Build, header: str, cells: tuple[str, str]
) -> None:
    content = f"id,score,{header}\n1,4,{cells[0]}\n2,5,{cells[1]}\n"
    assert open_survey_file(write(content), [mapping()], "UTC").data_rows == 2


def test_rows_of_another_metric_without_a_score_are_no_question(write: Write, mapping: Build) -> None:
    content = "id,score,csat,metric\n1,9,,NPS\n2,,4,CSAT\n"
    assert open_survey_file(write(content), [mapping()], "UTC").data_rows == 2


def test_scores_that_say_their_own_scale_count_only_out_of_ten(mapped: Mapped) -> None:
    rows = mapped("id,score\n1,9/10\n2,4/5\n3,80/100\n4,★★★★☆\n5,4 of 5\n6,100%\n7,4 out of 5 stars\n")
    assert [row["score"] for row in rows] == ["9", "4/5", "80/100", "★★★★☆", "4 of 5", "100%", "4 out of 5 stars"]
