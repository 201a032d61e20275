"""The report's figures: what stands on the page equals the tables of the mart."""

from __future__ import annotations

from pathlib import Path

import pytest

from nps_pipeline.report import render_report, wording
from nps_pipeline.report.facts import read_facts
from tests.nps_pipeline.report_mart import DASH, Element, build_mart, card, parse, query, scored, signed


@pytest.fixture(scope="module")
def mart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 answers; one month of relational answers below the minimum, one between gaps, one without any."""
    then = """
        update nps_by_period set nps = null, nps_low = null, nps_high = null, score_reason = 'below_minimum',
                responses = 12, promoters = 5, passives = 4, detractors = 3
            where survey_type = 'relational' and grain = 'month' and period_start in ('2025-03-01', '2025-05-01');
        delete from nps_by_period
            where survey_type = 'relational' and grain = 'month' and period_start = '2025-08-01';
    """
    return build_mart(tmp_path_factory.mktemp("mart") / "mart.duckdb", answers=3000, then=then)


@pytest.fixture(scope="module")
def page(mart: Path) -> Element:
    return parse(render_report(mart, comments="shown"))


def test_header_names_the_publication_and_its_sources(page: Element) -> None:
    facts = {item.one("dt").text: item.one("dd").text for item in page.one("header").one("dl").all("div")}
    assert facts == {
        "Answers": "3,000",
        "Answered": "3 December 2024 to 17 November 2026",
        "Sources": "HubSpot 1,800, Retail files 1,200, Silent source 0",
        "Rows accounted for": "✓ all 4,251",
        "Built": "22 November 2026, 11:15 Europe/Berlin",
        "Publication": "20261122T101500Z-1a2b",
    }
    assert "Up to 22 November 2026" in page.one("header").text


@pytest.mark.parametrize("survey_type", ["relational", "transactional"])
@pytest.mark.parametrize(
    ("grain", "title"),
    [("rolling_90d", "Last 90 days"), ("rolling_365d", "Last 365 days"), ("all_time", "All time")],
)
def test_headline_equals_the_mart(mart: Path, page: Element, survey_type: str, grain: str, title: str) -> None:
    [(n, detractors, passives, promoters, nps, low, high)] = query(
        mart,
        f"""select responses, detractors, passives, promoters, nps, nps_low, nps_high from nps_by_period
            where grain = '{grain}' and survey_type = '{survey_type}' and channel = 'all' and touchpoint = 'all'""",
    )
    shares = "".join(f" {100 * count / n:.1f} %" for count in (detractors, passives, promoters))
    assert card(page, "now", survey_type).one(data_window=title).text == (
        f"{title} {signed(nps)} 95 % interval {signed(low)} to {signed(high)}{shares} {n:,} answers"
    )


def test_headline_below_the_minimum_shows_counts_but_no_nps(tmp_path: Path) -> None:
    then = """
        update nps_by_period set nps = null, nps_low = null, nps_high = null, score_reason = 'below_minimum',
            responses = 9, promoters = 4, passives = 3, detractors = 2 where grain = 'rolling_90d';
        delete from nps_by_period where grain = 'rolling_365d';
        update publication set min_n = 10;
    """
    page = parse(render_report(build_mart(tmp_path / "mart.duckdb", then=then), comments="shown"))
    relational = card(page, "now", "relational")
    assert relational.one(data_window="Last 90 days").text == (
        f"Last 90 days {DASH} Not shown: fewer than 10 answers 2 3 4 9 answers"
    )
    assert relational.one(data_window="Last 365 days").text == f"Last 365 days {DASH} No answers"


def test_trend_equals_the_mart_and_says_its_gaps(mart: Path, page: Element) -> None:
    found = query(
        mart,
        """select strftime(period_start, '%b %Y'), responses, detractors, passives, promoters, nps, nps_low, nps_high
           from nps_by_period where grain = 'month' and survey_type = 'relational' and channel = 'all'
           and touchpoint = 'all' order by period_start desc""",
    )
    relational = card(page, "trend", "relational")
    assert [row for row in relational.rows() if row[0] != "Aug 2025"] == [
        [month, *map(str, counts), scored(*score)] for month, *counts, score in ((*row[:5], row[5:]) for row in found)
    ]
    assert ["Aug 2025", "0", "0", "0", "0", "No answers"] in relational.rows()
    assert "Gaps and pale bars: 3 months with fewer than 30 answers." in relational.text
    assert "Nov 2026 runs to 22 November 2026." in relational.text


def test_trend_line_breaks_at_the_gaps(page: Element) -> None:
    drawing = card(page, "trend", "relational").one("div", **{"class": "wide"})
    [line] = [
        path.attrs["d"]
        for group in drawing.all("g")
        if group.attrs.get("class", "").startswith("mark-line")
        for path in group.all("path")
    ]
    points = [
        path
        for group in drawing.all("g")
        if group.attrs.get("class", "").startswith("mark-symbol")
        for path in group.all("path")
    ]
    assert len(points) == 21  # 24 months, two below the minimum, one without answers
    # Four pieces: Dec to Feb, April alone, June and July, September on.
    assert line.count("M") == 4


def test_long_trend_draws_the_last_36_months_and_says_so(tmp_path: Path) -> None:
    then = """
        insert into nps_by_period select * replace (period_start - interval 4 year as period_start)
        from nps_by_period where grain = 'month';
    """
    page = parse(render_report(build_mart(tmp_path / "mart.duckdb", answers=3000, then=then), comments="hidden"))
    trend = card(page, "trend", "transactional")
    assert len(trend.rows()) == 36
    assert "Drawn are the last 36 months; 36 earlier months are in the mart." in trend.text


def test_one_month_of_declared_dates_has_no_trend_chart(tmp_path: Path) -> None:
    then = """
        update fct_nps_responses set responded_at = '2016-12-31 23:00:00', responded_at_basis = 'declared';
        delete from nps_by_period where grain <> 'all_time';
        insert into nps_by_period select * replace ('month' as grain, date '2017-01-01' as period_start)
        from nps_by_period;
    """
    page = parse(render_report(build_mart(tmp_path / "mart.duckdb", then=then), comments="hidden"))
    trend = page.one("section", id="trend")
    assert trend.all("svg") == []
    assert "All answers are of one month, Jan 2017: there is no trend to draw." in trend.text
    assert "900 answers take their date from the configuration, not from the source." in trend.text
    assert "1 January 2017 to 1 January 2017" in page.one("header").text


@pytest.mark.parametrize("survey_type", ["relational", "transactional"])
def test_scores_equal_the_mart_and_add_up_to_the_headline(mart: Path, page: Element, survey_type: str) -> None:
    counts = query(
        mart,
        f"""select score, count(*) from fct_nps_responses where survey_type = '{survey_type}'
            and (survey_type = 'transactional' or customer_id is null or is_latest_for_customer)
            group by score order by score""",
    )
    [(n,)] = query(
        mart,
        f"""select responses from nps_by_period where grain = 'all_time' and survey_type = '{survey_type}'
            and channel = 'all' and touchpoint = 'all'""",
    )
    scores = card(page, "scores", survey_type)
    assert scores.rows() == [[str(score), str(count), f"{100 * count / n:.1f} %"] for score, count in counts]
    assert f"Share of {n:,} answers" in scores.text


@pytest.mark.parametrize("survey_type", ["relational", "transactional"])
@pytest.mark.parametrize(("dimension", "other"), [("channel", "touchpoint"), ("touchpoint", "channel")])
def test_splits_equal_the_mart_from_high_to_low(
    mart: Path, page: Element, survey_type: str, dimension: str, other: str
) -> None:
    names = {"web_popup": "Web popup", "sms": "SMS"}
    found = query(
        mart,
        f"""select {dimension}, responses, detractors, passives, promoters, nps, nps_low, nps_high from nps_by_period
            where grain = 'all_time' and survey_type = '{survey_type}' and {other} = 'all' and {dimension} <> 'all'
            order by nps desc nulls last, {dimension}""",
    )
    split = card(page, "splits", survey_type).one(data_dimension=dimension)
    assert split.rows() == [
        [names.get(row[0], row[0].capitalize()), str(row[1]), "", scored(*row[5:])] for row in found
    ]
    mixes = [mix.attrs["aria-label"] for mix in split.all("div", **{"class": "mix"})]
    assert mixes == [f"{row[2]} detractors, {row[3]} passives, {row[4]} promoters" for row in found]
    drawn = [row for row in found if row[5] is not None]
    chart = split.one("div", **{"class": "chart"})
    assert all(f"n {row[1]}" in chart.one("div", **{"class": "wide"}).text for row in drawn)
    assert all(signed(row[5]) in chart.attrs["aria-label"] for row in drawn)


def test_split_below_the_minimum_is_in_the_table_and_not_in_the_chart(page: Element) -> None:
    split = card(page, "splits", "relational").one(data_dimension="touchpoint")
    assert split.rows()[-1] == ["Unknown", "24", "", "Not shown: fewer than 30 answers"]
    assert "Unknown" not in split.one("div", **{"class": "chart"}).text


def test_a_single_label_is_a_table_without_a_chart(tmp_path: Path) -> None:
    then = "delete from nps_by_period where channel not in ('all', 'email')"
    page = parse(render_report(build_mart(tmp_path / "mart.duckdb", then=then), comments="hidden"))
    split = card(page, "splits", "relational").one(data_dimension="channel")
    assert split.all("svg") == []
    assert [row[0] for row in split.rows()] == ["Email"]


def test_many_labels_draw_those_with_the_most_answers(tmp_path: Path) -> None:
    then = """
        delete from nps_by_period where touchpoint <> 'all' and channel = 'all';
        insert into nps_by_period select * exclude (i) replace ('spot_' || i as touchpoint, 1000 - i as responses)
        from nps_by_period, range(40) as spots(i)
        where grain = 'all_time' and touchpoint = 'all' and channel = 'all';
    """
    page = parse(render_report(build_mart(tmp_path / "mart.duckdb", then=then), comments="hidden"))
    split = card(page, "splits", "relational").one(data_dimension="touchpoint")
    chart = split.one("div", **{"class": "wide"}).text
    assert len(split.rows()) == 40
    assert "Spot 14" in chart
    assert "Spot 15" not in chart
    assert "Drawn are those with the most answers; 25 more in the table." in split.text


def test_response_rates_only_where_somebody_was_invited(tmp_path: Path, page: Element) -> None:
    assert page.all("section", id="rates") == []
    then = """
        update nps_by_period set invited = 2000, invited_responded = 429, response_rate = 0.2145
        where grain = 'all_time' and survey_type = 'relational' and channel in ('all', 'email') and touchpoint = 'all';
    """
    invited = parse(render_report(build_mart(tmp_path / "mart.duckdb", then=then), comments="hidden"))
    assert invited.one("section", id="rates").rows() == [
        ["Relational", "All channels", "2,000", "429", "21.4 %"],
        ["Relational", "Email", "2,000", "429", "21.4 %"],
    ]


def test_comments_are_the_newest_first_with_score_channel_and_day(mart: Path, page: Element) -> None:
    newest = query(
        mart,
        """select score, channel, responded_at, comment, nps_category from fct_nps_responses
           where comment is not null order by responded_at desc, response_id limit 12""",
    )
    shown = page.one("section", id="comments").all("li")
    assert [item.one("blockquote").text for item in shown] == [row[3] for row in newest]
    for item, (score, channel, at, _, category) in zip(shown, newest, strict=True):
        badge, *_ = item.all("span", **{"class": f"badge {category}"})
        assert badge.text == f"Score {score}"
        channel_shown = {"web_popup": "Web popup", "sms": "SMS"}.get(channel, channel.capitalize())
        assert channel_shown in item.one("p").text
        assert f"{at.day} {at:%B %Y}" in item.one("p").text


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz"])
def test_comments_are_cut_and_dated_in_the_reporting_time_zone(tmp_path: Path, kind: str) -> None:
    then = f"""
        set TimeZone = 'UTC';
        alter table fct_nps_responses alter responded_at type {kind};
        update fct_nps_responses set comment = repeat('x', 5000), responded_at = '2026-11-21 23:30:00', language = 'fr'
        where response_id = 'r7';
    """
    page = parse(render_report(build_mart(tmp_path / "mart.duckdb", then=then), comments="shown"))
    first, *_ = page.one("section", id="comments").all("li")
    assert first.one("blockquote").text == "x" * 600 + "…"
    assert first.one("blockquote").attrs["lang"] == "fr"
    assert "22 November 2026" in first.one("p").text


def test_hidden_comments_are_not_on_the_page(mart: Path) -> None:
    html = render_report(mart, comments="hidden")
    written = {comment for (comment,) in query(mart, "select distinct comment from fct_nps_responses") if comment}
    assert len(written) > 12
    assert not [comment for comment in written if comment[:12] in html]
    assert "Comments are hidden in this report" in html
    assert read_facts(mart, with_comments=False).comments == []


def test_quarantined_excluded_and_conserved_rows_equal_the_mart(page: Element) -> None:
    assert page.one("section", id="quarantine").rows() == [
        ["Retail files", "Answers", "Score missing", "1,234"],
        ["Retail files", "Answers", "Brand new reason", "6"],
    ]
    assert "nps quarantine" in page.one("section", id="quarantine").text
    assert page.one("section", id="excluded").rows() == [["HubSpot", "Answers", "Not NPS", "5"]]
    assert page.one("section", id="conservation").rows() == [
        ["HubSpot Answers", "1,806", "0", "0", "5", "0", "1", "1,800", "1,800", "✓"],
        ["Retail files Answers", "2,445", "3", "2", "0", "1,240", "0", "1,200", "", "✓"],
    ]


def test_unexplained_rows_are_flagged_at_the_top_and_in_the_table(tmp_path: Path) -> None:
    then = "update conservation set kept = kept - 3 where source_system = 'hubspot'"
    page = parse(render_report(build_mart(tmp_path / "mart.duckdb", then=then), comments="hidden"))
    hubspot, files = page.one("section", id="conservation").rows()
    assert (hubspot[-1], files[-1]) == ("✗ off by 3", "✓")
    assert "✗ no, see every row" in page.one("header").text


@pytest.mark.parametrize(
    ("value", "text"),
    [(53.4161, "+53.4"), (-5.0, "\N{MINUS SIGN}5.0"), (0.0, "0.0"), (-0.04, "0.0"), (100.0, "+100.0")],
)
def test_nps_has_its_sign_and_one_decimal(value: float, text: str) -> None:
    assert wording.nps(value) == text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("web_popup", "Web popup"),
        ("sms", "SMS"),
        ("not_nps", "Not NPS"),
        ("hubspot", "HubSpot"),
        ("Café 3", "Café 3"),
        ("", "Unknown"),
        (None, "Unknown"),
    ],
)
def test_codes_become_labels(code: str | None, text: str) -> None:
    assert wording.label(code) == text
