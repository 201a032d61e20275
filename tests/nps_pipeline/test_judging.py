"""Judging: every candidate gets its pages, also one that is refused; the newest stay; a verdict needs no pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from expectations.suites import Suite, load_suites, shipped_suites
from nps_pipeline import judging
from nps_pipeline.judging import Judged, judge_candidate
from nps_pipeline.settings import Settings, load_settings
from tests.expectations import good_mart

# One suite is enough here: what a page says is tested with the pages.
SUITES = load_suites(path for path in shipped_suites() if path.stem == "sync")
Judge = Callable[[str], Judged]


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return good_mart.build(tmp_path_factory.mktemp("candidate")).parent


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "nps.yaml").write_text("version: 1\npublish: {keep: 2}\n", encoding="utf-8")
    return load_settings({"NPS_HOME": str(tmp_path / "var"), "NPS_CONFIG": str(tmp_path / "nps.yaml")})


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def judge(settings: Settings, candidate: Path, said: list[str]) -> Judge:
    def run(publication_id: str, suites: Sequence[Suite] = SUITES) -> Judged:
        facts = {"publication_id": publication_id, "fingerprint": "f"}
        return judge_candidate(settings, candidate, facts, suites, say=said.append)

    return run


def shown(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.home.data_docs.iterdir())


def test_the_pages_of_a_run_lie_under_its_name_and_the_newest_is_linked(
    judge: Judge, settings: Settings, said: list[str]
) -> None:
    page = judge("p1").page

    assert page == settings.home.data_docs / "p1" / "index.html"
    assert page.samefile(settings.home.data_docs / "latest" / "index.html")
    assert shown(settings) == ["latest", "p1"]
    assert said == []


def test_a_refused_candidate_has_pages_too(settings: Settings, tmp_path: Path, said: list[str]) -> None:
    mart = good_mart.build(tmp_path / "bad")
    good_mart.change(mart, "update sync_wanted set value = null")

    judged = judge_candidate(settings, mart.parent, {"publication_id": "p1", "fingerprint": "f"}, SUITES, said.append)

    assert not judged.verdict.passed
    assert judged.page is not None
    assert "Refused" in judged.page.read_text(encoding="utf-8")


def test_the_newest_stay_and_those_of_publications_that_are_there(judge: Judge, settings: Settings) -> None:
    (settings.home.publish / "publications" / "p1").mkdir(parents=True)
    for name in ("p1", "p2", "p3", "p4"):
        judge(name)

    assert shown(settings) == ["latest", "p1", "p3", "p4"]
    assert (settings.home.data_docs / "latest").readlink() == Path("p4")


def test_a_candidate_that_is_judged_again_has_the_pages_of_the_last_time(judge: Judge, settings: Settings) -> None:
    judge("p1")
    (settings.home.data_docs / "p1" / "index.html").write_text("of the first time", encoding="utf-8")

    page = judge("p1").page

    assert page is not None
    assert "Passed" in page.read_text(encoding="utf-8")
    assert len(list((settings.home.data_docs / "p1").glob("validations/sync/*/*/*.html"))) == 1


def test_what_a_killed_run_left_is_removed(judge: Judge, settings: Settings) -> None:
    for name in (".p0", ".p1"):
        (settings.home.data_docs / name / "validations").mkdir(parents=True)
    (settings.home.data_docs / ".latest").symlink_to("p0")

    judge("p1")

    assert shown(settings) == ["latest", "p1"]


def test_a_verdict_stands_without_its_pages(judge: Judge, settings: Settings, said: list[str]) -> None:
    settings.home.root.mkdir()
    settings.home.data_docs.write_text("no directory", encoding="utf-8")

    judged = judge("p1")

    assert judged.verdict.passed
    assert judged.page is None
    (sentence,) = said
    assert str(settings.home.data_docs) in sentence
    assert "the verdict stands" in sentence


def test_the_suites_are_run_once(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    judge_once = judging.judge

    def counted(*arguments: object) -> object:
        runs.append(arguments)
        return judge_once(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(judging, "judge", counted)
    monkeypatch.setattr("expectations.runner._outcomes", lambda *_: runs.append("suites") or {})

    judge("p1")

    assert runs[1:] == ["suites"]
