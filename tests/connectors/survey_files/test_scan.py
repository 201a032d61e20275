"""What only the whole file says: rounded ids, five stars under a recommend question, rows above the header."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from connectors.survey_files import FileMapping, FileRefused, SurveyFile, open_survey_file

Write = Callable[..., Path]
MAPPING = FileMapping(name="shop", match="*", id="id", score="score", scale=(0, 10))
QUESTION = "How likely are you to recommend us?"


def google_form(scores: Sequence[object], question: str = QUESTION) -> str:
    rows = (f"2026/03/{day:02d} 10:00:00 AM GMT+1,{score}" for day, score in enumerate(scores, 1))
    return "\n".join([f"Timestamp,{question}", *rows]) + "\n"


def opened(path: Path, *mappings: FileMapping) -> SurveyFile:
    return open_survey_file(path, mappings, "UTC")


@pytest.mark.parametrize("damaged", ["1.14056E+11", "1,14056E+11", "1.2e+11"])
def test_ids_that_a_spreadsheet_rounded_are_refused(write: Write, damaged: str) -> None:
    with pytest.raises(FileRefused, match="1 response ids in column id were rounded by a spreadsheet"):
        opened(write(f'id,score\n7,9\n"{damaged}",9\n'), MAPPING)


def test_five_stars_under_a_recommend_question_are_asked_about(write: Write) -> None:
    stars = [1, 2, 3, 4, 5] * 2
    with pytest.raises(FileRefused, match=r"are from 1 to 5, and nothing says .* scale: \[1, 5\]"):
        opened(write(google_form(stars)))


@pytest.mark.parametrize(
    ("scores", "question"),
    [([1, 2, 3, 4, 5] * 2 + [6], QUESTION), ([1, 2, 3, 4, 5], QUESTION), ([1, 2, 3, 4, 5] * 2, f"{QUESTION} (0 - 10)")],
)
def test_a_scale_that_is_shown_or_stated_is_not_asked_about(write: Write, scores: list[int], question: str) -> None:
    file = opened(write(google_form(scores, question)))
    assert (file.data_rows, "other_metric" in " ".join(file.notes)) == (len(scores), False)


@pytest.mark.parametrize(("scale", "excluded"), [((0, 10), False), ((1, 5), True)])
def test_the_answer_decides(write: Write, scale: tuple[int, int], *, excluded: bool) -> None:
    answered = FileMapping(name="form", match="*", profile="google_forms", scale=scale)
    file = opened(write(google_form([1, 2, 3, 4, 5] * 2)), answered)
    assert ("10 rows excluded as other_metric" in file.notes) is excluded


def test_rows_above_the_header_are_left_aside(write: Write) -> None:
    titles = "Data Export Generated on 2026-03-01\nSurvey ID 7\n\n"
    mapped = opened(write(f"{titles}id,score,comment\n1,9,a\n2,3,b\n"), MAPPING)
    assert (mapped.data_rows, mapped.notes[0]) == (2, "2 rows above the header left aside")
    known = opened(write(titles + google_form([9, 3, 10]), "form.csv"))
    assert (known.stream.name, known.data_rows) == ("google_forms", 3)
