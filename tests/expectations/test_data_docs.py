"""Data Docs: complete in themselves, without any value of the data, and plain about what could not run."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import expectations.data_docs
from expectations.data_docs import DataDocsError, write_data_docs
from expectations.suites import Suite, load_suites, shipped_suites
from expectations.verdict import Verdict, judge
from tests.expectations import good_mart

CANARIES = ("canary.person@example.org", "+49 151 00000099", "a canary sings in this comment")
BROKEN = f"""
    update fct_nps_responses set comment = '{CANARIES[2]}', survey_id = '', source_record_id = '{CANARIES[0]}',
        survey_type = '{CANARIES[1]}' where response_id in ('r0001', 'r0002');
    update customer_nps set nps_category = '{CANARIES[0]}';
    alter table fct_nps_responses alter score type varchar;
    update fct_nps_responses set score = '{CANARIES[1]}' where response_id = 'r0001';
    alter table nps_by_period drop column nps_high;
"""
# Whatever makes a browser fetch something: an address that is not relative, or an import.
FETCHES = re.compile(
    rb"""(?:https?:)?//|@import|url\(|<script|<link|<img|<iframe|(?:src|srcset|action|data)\s*=""", re.IGNORECASE
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Suite]:
    """The shipped suites, and one whose words would be mark-up if they were not escaped."""
    own = tmp_path_factory.mktemp("own") / "house_rules.yaml"
    own.write_text(
        "suite: house_rules\n"
        "expectations:\n"
        "  - name: few_answers\n"
        "    table: fct_nps_responses\n"
        "    severity: warning\n"
        "    owner: A & B <i>team</i>\n"
        "    says: There are <b>few</b> answers.\n"
        "    remedy: wait.\n"
        "    expect: expect_table_row_count_to_be_between\n"
        "    kwargs: {max_value: 1}\n",
        encoding="utf-8",
    )
    return load_suites([*shipped_suites(), own])


@pytest.fixture(scope="module")
def verdict(suites: Sequence[Suite], tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    candidate = tmp_path_factory.mktemp("candidate")
    good_mart.change(good_mart.build(candidate), BROKEN)
    return judge(candidate, "20261122T120000.000000Z-0a1b2c3d", "fingerprint", suites)


@pytest.fixture(scope="module")
def site(verdict: Verdict, suites: Sequence[Suite], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("docs") / "site"
    write_data_docs(directory, verdict, suites)
    return directory


def row_of(page: str, check: str) -> str:
    """The row of a check in the tables of the overview, as text."""
    found = re.search(rf'<tr id="{check}".*?</tr>', page, re.DOTALL)
    assert found, check
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_there_is_a_table_per_suite_with_every_check(site: Path, verdict: Verdict, suites: Sequence[Suite]) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")

    tables = re.findall(r"<h2><a [^>]*>(\w+)</a></h2>.*?<table>(.*?)</table>", page, re.DOTALL)
    assert {name for name, _ in tables} == {*(suite.name for suite in suites), "exports"}
    listed = {check: name for name, table in tables for check in re.findall(r'<tr id="(\w+)"', table)}
    assert listed == {
        **{check.name: suite.name for suite in suites for check in suite.expectations},
        "parquet_matches_table": "exports",
    }
    assert verdict.publication_id in page


def test_what_failed_and_what_could_not_run_are_told_apart(site: Path, verdict: Verdict) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")

    failed = row_of(page, "response_has_a_survey")
    assert "✗ failed 2 Every response belongs to a survey." in failed
    assert "fct_nps_responses critical data engineering" in failed
    assert "give its stream a survey in nps.yaml" in failed
    unknown = row_of(page, "interval_is_in_order")
    assert "? could not run An NPS has an interval" in unknown
    assert "rebuild the mart, or correct the suite." in unknown
    assert "✓ passed 0 No response is dated before its invitation." in row_of(page, "no_response_before_its_invitation")
    words = {"passed": "passed", "failed": "failed", "error": "could not run"}
    for result in verdict.results:
        assert f" {words[result.status]} " in row_of(page, result.check)
    assert f"Refused: nothing is published because of {len(verdict.blocking)} critical checks." in page


def test_a_candidate_that_passed_says_so(good: Path, tmp_path: Path) -> None:
    suites = load_suites(shipped_suites())
    candidate = shutil.copytree(good, tmp_path / "candidate")

    write_data_docs(tmp_path / "site", judge(candidate, "p1", "fingerprint", suites), suites)

    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "Passed: it may be published." in page
    assert "could not run" not in page


def test_the_page_of_a_suite_has_its_rules(site: Path, suites: Sequence[Suite]) -> None:
    (page,) = [path.read_text(encoding="utf-8") for path in site.glob("validations/mart/*/*/*.html")]

    assert "select response_id from {batch} where coalesce(trim(survey_id), &#39;&#39;) = &#39;&#39;" in page
    assert "expect_column_values_to_not_be_null {&#34;column&#34;: &#34;score&#34;}" in page
    (mart,) = [suite for suite in suites if suite.name == "mart"]
    assert sorted(re.findall(r'<article id="(\w+)"', page)) == sorted(one.name for one in mart.expectations)


def test_every_link_leads_somewhere(site: Path) -> None:
    links = [(path, link) for path in site.rglob("*.html") for link in re.findall(r'href="([^"]*)"', path.read_text())]

    assert len(links) > 60
    for path, link in links:
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.is_file(), link
        assert not anchor or f'id="{anchor}"' in target.read_text(encoding="utf-8"), link


def test_no_byte_is_a_value_of_the_data_or_leads_outside(site: Path) -> None:
    files = [path for path in site.rglob("*") if path.is_file()]

    assert {path.suffix for path in files} == {".html"}
    for path in files:
        content = path.read_bytes()
        assert not FETCHES.findall(content), path
        for secret in (*CANARIES, "Traceback", "Conversion Error", "Exception"):
            assert secret.encode() not in content, path


def test_the_words_of_a_suite_are_no_mark_up(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")

    assert "There are &lt;b&gt;few&lt;/b&gt; answers." in page
    assert "A &amp; B &lt;i&gt;team&lt;/i&gt;" in page


def test_a_browser_shows_it(site: Path, tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("a browser is not here")
    command = [CHROMIUM, "--headless", "--no-sandbox", f"--user-data-dir={tmp_path}", "--dump-dom"]
    shown = subprocess.run(
        [*command, (site / "index.html").as_uri()], capture_output=True, text=True, check=True, timeout=60
    ).stdout

    assert "What the gate found" in shown
    assert row_of(shown, "response_has_a_survey").count("failed") == 1
    assert "prefers-color-scheme: dark" in shown


def test_a_page_that_cannot_be_made_is_told(
    verdict: Verdict, suites: Sequence[Suite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectations.data_docs.SuiteView, "template", "absent.html.j2")

    with pytest.raises(DataDocsError, match="made 0 of 6 pages"):
        write_data_docs(tmp_path / "site", verdict, suites)
