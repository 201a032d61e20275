"""A small mart of the published contract, and a parser that reads a page back, for the tests of the report."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb

HOSTILE = "<script>alert(1)</script>"
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
VOID = {"meta", "br", "img", "link", "hr", "input"}

TABLES = """
create table fct_nps_responses(response_id text, source_system text, source_stream text, source_record_id text,
    customer_id text, account_id text, survey_id text, survey_type text, channel text, touchpoint text, score integer,
    nps_category text, comment text, language text, responded_at timestamp, responded_at_basis text,
    invited_at timestamp, is_latest_for_customer boolean, first_load_id text);
create table nps_by_period(grain text, period_start date, survey_type text, channel text, touchpoint text,
    responses bigint, promoters bigint, passives bigint, detractors bigint, nps decimal(18,4), nps_low decimal(18,4),
    nps_high decimal(18,4), score_reason text, invited bigint, invited_responded bigint, response_rate decimal(18,4));
create table quarantined_responses(source_system text, source_stream text, source_record_id text, load_id text,
    reason text, detail text);
create table excluded_responses(source_system text, source_stream text, source_record_id text, load_id text,
    reason text);
create table loads(source_system text, source_stream text, load_id text, load_seq bigint, mode text,
    manifest_rows bigint, parquet_rows bigint, classified_rows bigint, cursor_after text);
create table conservation(source_system text, source_stream text, served bigint, superseded bigint, deleted bigint,
    excluded bigint, quarantined bigint, duplicate bigint, kept bigint, source_count bigint);
create table publication(publication_id text, published_at timestamp, as_of_date date, fingerprint text,
    input_loads text, row_counts text, min_n integer, timezone text);
insert into publication values ('20261122T101500Z-1a2b', '2026-11-22 10:15:00', '2026-11-22', 'f00d', '[]', '{}', 30,
    'Europe/Berlin');
"""
# Two survey types in four channels over two years, better with time; every third relational customer answers twice.
ANSWERS = """
insert into fct_nps_responses
with drawn as (
    select i,
        case when i % 5 < 3 then 'relational' else 'transactional' end as survey_type,
        ['email', 'email', 'email', 'web_popup', 'web_popup', 'sms', 'store'][1 + i % 7] as channel,
        ['purchase', 'support', 'support', 'onboarding', 'unknown'][1 + (i // 3) % 5] as touchpoint,
        timestamp '2024-12-03 09:00:00' + interval (i * 715 // $answers) day as responded_at,
        (i * 7919 + i // 13) % 100 as dice, i * 40 // $answers as luck
    from range($answers) as drawn(i)
),
scored as (
    select *, case when dice < 28 - luck // 3 then dice % 7 when dice < 60 - luck // 2 then 7 + dice % 2
        else 9 + dice % 2 end as score
    from drawn
)
select 'r' || i, case when i % 5 < 3 then 'hubspot' else 'retail_files' end, 'answers', i::text,
    case when i % 11 > 0 then 'c' || case when i % 3 = 0 then i % 90 else i end end, null, 's1', survey_type, channel,
    touchpoint, score,
    case when score >= 9 then 'promoter' when score >= 7 then 'passive' else 'detractor' end,
    case when i % 9 = 0 then ['Quick and kind, thank you.', 'Waited ten days for the parcel, nobody answered.',
        'Livraison très rapide, équipe à l''écoute.', 'Fine.'][1 + (i // 9) % 4] || ' (' || i || ')' end,
    case when i % 9 = 0 and (i // 9) % 4 = 2 then 'fr' end, responded_at, 'source', null,
    customer_id_rank = 1, 'l1'
from (
    select *, case when i % 11 > 0 then row_number() over (
        partition by survey_type, case when i % 11 = 0 then -i when i % 3 = 0 then i % 90 else 1000 + i end
        order by responded_at desc, i desc) end as customer_id_rank
    from scored
)
"""
# The contract's figures, from the answers: adjusted Wald, NULL below 30, roll-ups by grouping sets.
PERIODS = """
insert into nps_by_period
with spread as (
    select grain, period_start, f.* from fct_nps_responses as f, lateral (values
        ('month', date_trunc('month', responded_at)::date), ('all_time', date '2024-12-01'),
        ('rolling_365d', date '2025-11-23'), ('rolling_90d', date '2026-08-25')) as grains(grain, period_start)
    where responded_at >= period_start
),
counted as (
    select grain, period_start, survey_type, coalesce(channel, 'all') as channel,
        coalesce(touchpoint, 'all') as touchpoint, count(*) as n, count(*) filter (score >= 9) as p,
        count(*) filter (score between 7 and 8) as s, count(*) filter (score <= 6) as d
    from spread where survey_type <> 'relational' or customer_id is null or is_latest_for_customer
    group by grain, period_start, survey_type, cube (channel, touchpoint)
),
estimated as (select *, (p - d) / (n + 3) as m, (p + d + 1.5) / (n + 3) as v from counted)
select grain, period_start, survey_type, channel, touchpoint, n, p, s, d,
    case when n >= 30 then 100.0 * (p - d) / n end,
    case when n >= 30 then greatest(-100, 100 * (m - 1.959964 * sqrt((v - m * m) / (n + 3)))) end,
    case when n >= 30 then least(100, 100 * (m + 1.959964 * sqrt((v - m * m) / (n + 3)))) end,
    case when n < 30 then 'below_minimum' end, null, null, null
from estimated
"""
REST = """
insert into quarantined_responses
    select 'retail_files', 'answers', 'q' || i, 'l1',
        case when i < 1234 then 'score_missing' else 'brand_new_reason' end, '' from range(1240) as drawn(i);
insert into excluded_responses select 'hubspot', 'answers', 'x' || i, 'l2', 'not_nps' from range(5) as drawn(i);
insert into loads values ('retail_files', 'answers', 'l1', 1, 'file', 0, 0, 0, ''),
    ('silent_source', 'contacts', 'l2', 1, 'full', 0, 0, 0, '');
insert into conservation
    select source_system, source_stream, count(*) + 1245, 3, 2, 0, 1240, 0, count(*), null from fct_nps_responses
    where source_system = 'retail_files' group by all
    union all
    select source_system, source_stream, count(*) + 6, 0, 0, 5, 0, 1, count(*), count(*) from fct_nps_responses
    where source_system = 'hubspot' group by all;
"""


def build_mart(path: Path, *, answers: int = 900, then: str = "") -> Path:
    """A mart of the published contract with so many answers; ``then`` is SQL that changes it."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLES)
        if answers:
            connection.execute(ANSWERS, {"answers": answers})
            connection.execute(PERIODS)
            connection.execute(REST)
        connection.execute(then or "select 1")
    return path


@dataclass
class Element:
    """A parsed element; strings among its children are its text."""

    tag: str
    attrs: dict[str, str]
    children: list[Any] = field(default_factory=list)

    @property
    def raw(self) -> str:
        return "".join(child if isinstance(child, str) else child.raw for child in self.children)

    @property
    def text(self) -> str:
        """The text as a browser shows it: any white space is one space."""
        return re.sub(r"\s+", " ", self.raw).strip()

    def all(self, tag: str = "", **attrs: str) -> list[Element]:
        """Every element below with this tag and these attributes (data_x stands for data-x)."""
        wanted = {name.replace("_", "-"): value for name, value in attrs.items()}
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if tag in ("", child.tag) and wanted.items() <= child.attrs.items():
                    found.append(child)
                found += child.all(tag, **attrs)
        return found

    def one(self, tag: str = "", **attrs: str) -> Element:
        [found] = self.all(tag, **attrs)
        return found

    def rows(self) -> list[list[str]]:
        """The cells of the table rows below, without the head."""
        return [
            [cell.text for cell in row.children if isinstance(cell, Element)]
            for body in self.all("tbody")
            for row in body.all("tr")
        ]


class PageParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("page", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"{tag} closes another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Element:
    parser = PageParser()
    parser.feed(html)
    parser.close()
    [page] = parser.open
    return page


def query(mart: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(mart), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def signed(value: Any) -> str:
    return f"{value:+.1f}".replace("-", MINUS)


def scored(nps: Any, low: Any, high: Any) -> str:
    return "Not shown: fewer than 30 answers" if nps is None else f"{signed(nps)}{signed(low)} to {signed(high)}"


def card(page: Element, section: str, survey_type: str) -> Element:
    return page.one("section", id=section).one(data_survey_type=survey_type)
