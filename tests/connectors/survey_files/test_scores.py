"""A cell with a score: what says nothing but one whole number, and what only begins like one."""

from __future__ import annotations

import pytest

from connectors.survey_files.scores import plain_score


@pytest.mark.parametrize("cell", ["10-Sep", "9-Oct", "7. März", "09. Okt", "5-mai", "10-sept."])
def test_a_score_that_a_spreadsheet_took_for_a_date_stays_as_it_stands(cell: str) -> None:
    assert plain_score(cell) == cell


@pytest.mark.parametrize("cell", ["5 - CSAT", "5 (stars)", "4 | Sterne", "3: CES"])
def test_a_number_that_is_labelled_with_another_metric_stays_as_it_stands(cell: str) -> None:
    assert plain_score(cell) == cell


@pytest.mark.parametrize("cell", ["9 - Sehr wahrscheinlich", "9 (marvellous)", "9: Maybe", "Likely (9)", "9/10"])
def test_a_number_with_any_other_label_is_the_score(cell: str) -> None:
    assert plain_score(cell) == "9"
