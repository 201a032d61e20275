"""The report as a page: safe, whole, readable by everybody and repeatable, whatever the mart holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from nps_pipeline.report import ReportError, render_report
from nps_pipeline.report.theme import PALETTE
from tests.nps_pipeline.report_mart import HOSTILE, Element, build_mart, card, parse


@pytest.fixture(scope="module")
def mart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_mart(tmp_path_factory.mktemp("mart") / "mart.duckdb", answers=3000)


@pytest.fixture(scope="module")
def html(mart: Path) -> str:
    return render_report(mart, comments="shown")


@pytest.fixture(scope="module")
def page(html: str) -> Element:
    return parse(html)


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Element:
    """Every text of the mart is hostile."""
    then = f"""
        update fct_nps_responses set comment = '{HOSTILE}', language = '"><b>', source_system = '{HOSTILE}';
        update fct_nps_responses set survey_type = '{HOSTILE}' where survey_type = 'transactional';
        update nps_by_period set survey_type = '{HOSTILE}' where survey_type = 'transactional';
        update fct_nps_responses set channel = '{HOSTILE}' where channel = 'email';
        update nps_by_period set channel = '{HOSTILE}' where channel = 'email';
        update nps_by_period set touchpoint = '{HOSTILE}' where touchpoint = 'support';
        update quarantined_responses set reason = '{HOSTILE}', source_stream = '{HOSTILE}';
        update excluded_responses set reason = '{HOSTILE}', source_system = '{HOSTILE}';
        update conservation set source_system = '{HOSTILE}';
        update publication set publication_id = '{HOSTILE}', fingerprint = '{HOSTILE}';
    """
    mart = build_mart(tmp_path_factory.mktemp("hostile") / "mart.duckdb", then=then)
    return parse(render_report(mart, comments="shown"))


@pytest.fixture(scope="module")
def empty_page(tmp_path_factory: pytest.TempPathFactory) -> Element:
    then = """
        insert into loads values ('qualtrics', 'answers', 'l1', 1, 'file', 2, 2, 2, '');
        insert into excluded_responses values ('qualtrics', 'answers', 'a', 'l1', 'not_nps'),
            ('qualtrics', 'answers', 'b', 'l1', 'not_nps');
        insert into conservation values ('qualtrics', 'answers', 2, 0, 0, 2, 0, 0, 0, null);
    """
    mart = build_mart(tmp_path_factory.mktemp("empty") / "mart.duckdb", answers=0, then=then)
    return parse(render_report(mart, comments="shown"))


def test_page_loads_nothing_and_runs_nothing(html: str, page: Element) -> None:
    policy = page.one("meta", http_equiv="Content-Security-Policy").attrs["content"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    elements = page.all()
    assert not {element.tag for element in elements} & {"script", "link", "img", "iframe", "object", "embed", "base"}
    for element in elements:
        for name, value in element.attrs.items():
            assert not name.startswith("on"), name
            assert name in {"xmlns", "xmlns:xlink"} or "//" not in value, (name, value)
            assert name not in {"href", "xlink:href"} or value.startswith("#"), value
    assert "url(" not in html
    assert "@import" not in html


def test_every_string_of_the_mart_is_text_and_nothing_else(hostile_page: Element) -> None:
    tags = {element.tag for element in hostile_page.all()}
    assert "script" not in tags
    assert "b" not in tags
    assert hostile_page.one("section", id="comments").all("blockquote")[0].text == HOSTILE
    assert hostile_page.one("section", id="comments").all("blockquote")[0].attrs["lang"] == '"><b>'
    for place in ("quarantine", "excluded", "conservation"):
        assert HOSTILE in hostile_page.one("section", id=place).text
    assert [code.text for code in hostile_page.one("header").all("code")] == [HOSTILE]
    assert hostile_page.one("section", id="now").all(data_survey_type=HOSTILE)
    drawn = card(hostile_page, "splits", "relational").one(data_dimension="touchpoint").all("svg")[0]
    assert "<script>" in drawn.text


def test_empty_mart_says_so_and_accounts_for_what_was_served(empty_page: Element) -> None:
    assert "No answers yet" in empty_page.one("section", id="empty").text
    assert empty_page.all("svg") == []
    assert [section.attrs["id"] for section in empty_page.all("section")] == [
        "empty",
        "quarantine",
        "excluded",
        "conservation",
        "method",
    ]
    assert empty_page.one("section", id="excluded").rows() == [["Qualtrics", "Answers", "Not NPS", "2"]]
    assert empty_page.one("section", id="conservation").rows()[0][-1] == "✓"
    assert "No answer was quarantined." in empty_page.one("section", id="quarantine").text


def test_mart_without_a_single_load_renders(tmp_path: Path) -> None:
    page = parse(render_report(build_mart(tmp_path / "mart.duckdb", answers=0), comments="shown"))
    assert "No rows were served." in page.one("section", id="conservation").text
    assert {item.one("dt").text: item.one("dd").text for item in page.one("dl").all("div")}["Sources"] == "none"


def test_same_mart_gives_the_same_bytes(mart: Path, html: str) -> None:
    assert render_report(mart, comments="shown") == html


def test_same_mart_gives_the_same_bytes_in_another_process_zone_and_locale(mart: Path, html: str) -> None:
    program = (
        "import sys; from pathlib import Path; from nps_pipeline.report import render_report;"
        "sys.stdout.buffer.write(render_report(Path(sys.argv[1]), comments='shown').encode())"
    )
    environment = os.environ | {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    root = Path(__file__).parents[2]
    other = subprocess.run(
        [sys.executable, "-c", program, str(mart)], cwd=root, env=environment, check=True, capture_output=True
    )
    assert other.stdout == html.encode()


def test_mart_is_left_as_it_was_and_closed(tmp_path: Path) -> None:
    mart = build_mart(tmp_path / "mart.duckdb")
    before = mart.read_bytes()
    render_report(mart, comments="shown")
    assert mart.read_bytes() == before
    with duckdb.connect(str(mart)) as connection:  # fails while a read-only connection is open in this process
        connection.execute("create table t (i integer)")


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"cannot be made from .*absent\.duckdb.*`nps run`"):
        render_report(tmp_path / "absent.duckdb", comments="shown")
    assert not (tmp_path / "absent.duckdb").exists()


def test_missing_table_is_named(tmp_path: Path) -> None:
    mart = build_mart(tmp_path / "mart.duckdb", then="drop table conservation")
    with pytest.raises(ReportError, match="conservation"):
        render_report(mart, comments="shown")


def test_missing_publication_row_is_one_sentence(tmp_path: Path) -> None:
    mart = build_mart(tmp_path / "mart.duckdb", then="delete from publication")
    with pytest.raises(ReportError, match="publication of the mart has no row"):
        render_report(mart, comments="shown")


def test_page_reads_well_without_seeing_it(page: Element) -> None:
    levels = [int(element.tag[1]) for element in page.all() if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
    assert all(table.one("caption").text for table in page.all("table"))
    assert all(head.attrs["scope"] for head in page.all("th"))
    described = sum(len(chart.all("svg")) for chart in page.all("div", role="img") if chart.attrs["aria-label"])
    assert described == len(page.all("svg")) > 0
    ids = [element.attrs["id"] for element in page.all() if "id" in element.attrs]
    assert len(ids) == len(set(ids))
    assert {link.attrs["href"][1:] for link in page.all("a")} <= set(ids)


def test_every_colour_of_a_chart_has_a_dark_one(page: Element) -> None:
    light = [colours[0] for colours in PALETTE.values()]
    assert len(light) == len(set(light))
    used = {
        element.attrs[name]
        for svg in page.all("svg")
        for element in svg.all()
        for name in ("fill", "stroke")
        if name in element.attrs
    }
    assert used - {"none", "transparent"} <= set(light)
    assert len(used) > 5


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_contrast_is_enough(mode: int) -> None:
    colour = {name: both[mode] for name, both in PALETTE.items()}
    for text in ("ink", "muted", "accent"):
        assert contrast(colour[text], colour["paper"]) >= 4.5, text
        assert contrast(colour[text], colour["card"]) >= 4.5, text
    for mark in ("promoter", "passive", "detractor", "accent", "volume"):
        assert contrast(colour[mark], colour["card"]) >= 3, mark


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_large_mart_renders(tmp_path: Path) -> None:
    mart = build_mart(tmp_path / "mart.duckdb", answers=200_000)
    page = parse(render_report(mart, comments="shown"))
    assert page.one(id="answers").text == "200,000"
    assert len(page.one("section", id="comments").all("li")) == 12
