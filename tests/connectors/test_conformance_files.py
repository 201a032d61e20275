"""The properties of the conformance suite for survey files, as far as they mean anything where nobody is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from connectors.base import Page
from connectors.errors import RetryableError
from connectors.survey_files.connector import SurveyFile
from nps_pipeline.inbox import FileOutcome, pull_files
from nps_pipeline.landing import Load, list_loads
from nps_pipeline.settings import load_settings
from tests.connectors.conformance import PROPERTIES

MAPPING = {
    "name": "shop", "match": "*.csv", "id": "id", "score": "nps", "scale": [0, 10], "comment": "why",
    "responded_at": {"column": "day", "timezone": "UTC"}, "replaces": {"corrected.csv": "may.csv"},
}  # fmt: skip
HEADER, ROWS = "id,nps,why,day", ["1,9,Quick,2026-05-01", "2,3,Slow,2026-05-01", "3,10,,2026-05-02"]
MAY = "\n".join([HEADER, *ROWS, ""])
NOT_ASKED = {
    "committed on the way": "A file is landed as one load or not at all: it is still there to be read again.",
    "late in a tie": "There is no order of time and no cursor in it.",
    "missed and found by a reconcile": "A file that is not in the inbox is not missed.",
    "merges": "A tool's export names no merged respondents.",
    "429 storm": "Nobody is asked.",
    "expired token": "Nobody is asked.",
    "cost": "Nobody is asked.",
}
ASKED: dict[str, Callable[..., None]] = {}


def holds(wanted: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note which property a test proves."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        ASKED[wanted] = test
        return test

    return mark


class Shop:
    """An inbox, one mapping, and what was landed."""

    def __init__(self, folder: Path) -> None:
        self._config = folder / "nps.yaml"
        self._environment = {"NPS_HOME": str(folder / "var"), "NPS_CONFIG": str(self._config)}
        self.mapping: dict[str, Any] = dict(MAPPING)

    def pull(self, **files: str) -> list[FileOutcome]:
        self._config.write_text(yaml.safe_dump({"version": 1, "sources": {"files": [self.mapping]}}), encoding="utf-8")
        settings = load_settings(self._environment)
        self.home = settings.home
        self.home.inbox.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (self.home.inbox / f"{name}.csv").write_text(text, encoding="utf-8")
        return pull_files(settings)

    def loads(self) -> list[Load]:
        """The loads that no other one replaces."""
        loads = list_loads(self.home)
        replaced = {load_id for load in loads for load_id in load.manifest.replaces}
        return [load for load in loads if load.manifest.load_id not in replaced]

    def rows(self) -> list[dict[str, Any]]:
        """Their rows, the last landed last."""
        parts = [part for load in self.loads() for part in load.parts]
        return [row for part in parts for row in pq.read_table(part).to_pylist()]

    def current(self) -> dict[str, Any]:
        """The cells of each record as it was landed last."""
        return {row["record_id"]: json.loads(row["payload"])["cells"] for row in self.rows()}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_every_property_is_asked_or_said_to_mean_nothing() -> None:
    assert {*ASKED} | {*NOT_ASKED} == {*PROPERTIES}
    assert {*ASKED} & {*NOT_ASKED} == set()


@holds("drained whole")
@holds("own count after a reconcile")
def test_every_row_is_landed_once_and_as_many_as_the_file_has(shop: Shop) -> None:
    (outcome,) = shop.pull(may=MAY)
    assert (outcome.refused, outcome.rows) == (None, len(ROWS))
    assert [row["record_id"] for row in shop.rows()] == ["1", "2", "3"]
    (load,) = shop.loads()
    assert (load.manifest.rows, load.manifest.is_drained) == (len(ROWS), True)


@holds("killed at every page")
def test_a_file_whose_reading_is_killed_at_any_page_waits_and_is_landed_whole(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = SurveyFile.pages

    def killed_at(number: int) -> Callable[[SurveyFile], Iterator[Page]]:
        def read(file: SurveyFile) -> Iterator[Page]:
            for place, page in enumerate(pages(file, size=1)):
                if place == number:
                    raise RetryableError("killed")
                yield page

        return read

    for number in range(len(ROWS)):
        monkeypatch.setattr(SurveyFile, "pages", killed_at(number))
        with pytest.raises(RetryableError):
            shop.pull(may=MAY)
        assert list_loads(shop.home) == []
        assert [path.name for path in shop.home.inbox.iterdir()] == ["may.csv"]
    monkeypatch.setattr(SurveyFile, "pages", pages)
    shop.pull()
    assert [row["record_id"] for row in shop.rows()] == ["1", "2", "3"]
    assert list(shop.home.inbox.iterdir()) == []


@holds("nothing lost or doubled")
def test_the_same_file_again_and_one_that_repeats_it_land_only_what_is_new(shop: Shop) -> None:
    for name in ("may", "may", "again"):
        shop.pull(**{name: MAY})
    assert len(shop.rows()) == len(ROWS)
    (outcome,) = shop.pull(june=MAY + "4,8,,2026-06-01\n")
    assert (outcome.rows, outcome.reread_rows) == (1, len(ROWS))
    assert sorted(row["record_id"] for row in shop.rows()) == ["1", "2", "3", "4"]


@holds("ties")
def test_rows_that_are_the_same_are_as_many_answers(shop: Shop) -> None:
    del shop.mapping["id"]
    shop.mapping["exports"] = "cumulative"
    same = "\n".join(["nps,why,day", *["9,Quick,2026-05-01"] * 3, ""])
    shop.pull(may=same)
    shop.pull(june=same + "9,Quick,2026-05-01\n")
    assert len({row["record_id"] for row in shop.rows()}) == len(shop.rows()) == 4


@holds("late rows")
def test_an_older_answer_that_shows_in_a_later_file_is_landed(shop: Shop) -> None:
    shop.pull(may=MAY)
    shop.pull(june=f"{HEADER}\n0,7,,2026-04-01\n")
    assert sorted(shop.current()) == ["0", "1", "2", "3"]


@holds("edits")
def test_an_answer_that_reads_otherwise_in_a_later_file_is_landed_anew(shop: Shop) -> None:
    shop.pull(may=MAY)
    (outcome,) = shop.pull(june=MAY.replace("2,3,Slow", "2,4,Slow"))
    assert (outcome.rows, outcome.reread_rows) == (1, len(ROWS) - 1)
    assert shop.current()["2"]["nps"] == "4"


@holds("deletes")
def test_a_row_that_its_corrected_file_has_no_more_does_not_count(shop: Shop) -> None:
    shop.pull(may=MAY)
    shop.pull(corrected=MAY.replace(f"{ROWS[1]}\n", ""))
    assert sorted(shop.current()) == ["1", "3"]


@holds("cut connection")
def test_a_file_that_was_cut_off_is_refused_and_leaves_what_was_landed(shop: Shop) -> None:
    shop.pull(may=MAY)
    (outcome,) = shop.pull(june=(MAY + "4,8,Quick,2026-06-01").removesuffix(",Quick,2026-06-01"))
    assert "june.csv" in str(outcome.refused)
    assert sorted(shop.current()) == ["1", "2", "3"]


@holds("a mapped field vanishes")
def test_a_mapped_column_that_vanished_is_named_and_leaves_what_was_landed(shop: Shop) -> None:
    shop.pull(may=MAY)
    (outcome,) = shop.pull(june=MAY.replace("nps,", "rating,"))
    assert "june.csv" in str(outcome.refused)
    assert "nps" in str(outcome.refused)
    assert shop.current()["2"]["nps"] == "3"


@holds("an unknown field comes")
def test_a_column_that_nobody_knows_stays_in_the_payload(shop: Shop) -> None:
    shop.pull(may=f"{HEADER},branch\n{ROWS[0]},Kiel\n")
    assert shop.current()["1"]["branch"] == "Kiel"
