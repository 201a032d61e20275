"""What the report reads from a mart: one query per fact, the answers as frozen rows. No wording, no layout here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from nps_pipeline.errors import PipelineError

COMMENTS_SHOWN = 12
COMMENT_LENGTH = 600  # characters; one enormous comment must not become the page
ALL = "all"  # the roll-up value of channel and touchpoint


class ReportError(PipelineError):
    """The report cannot be made; the text is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Publication:
    """The publication that the mart belongs to; ``published_at`` in its reporting time zone."""

    publication_id: str
    published_at: datetime
    as_of_date: date
    fingerprint: str
    min_n: int
    timezone: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A row of nps_by_period: nps, low and high in NPS points (-100 to 100), response_rate as a share (0 to 1)."""

    grain: str
    period_start: date
    survey_type: str
    channel: str
    touchpoint: str
    responses: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    low: float | None
    high: float | None
    score_reason: str | None
    invited: int | None
    invited_responded: int | None
    response_rate: float | None


@dataclass(frozen=True, slots=True)
class ScoreCount:
    """How many answers of a survey type gave a score; of relational ones the latest of each customer."""

    survey_type: str
    score: int
    category: str
    answers: int


@dataclass(frozen=True, slots=True)
class Source:
    """A source and the answers kept from it (0 for a source that served none)."""

    name: str
    answers: int


@dataclass(frozen=True, slots=True)
class DateBasis:
    """How many answers take their date from where: source, declared or first_seen."""

    basis: str
    answers: int


@dataclass(frozen=True, slots=True)
class Span:
    """When the first and the last kept answer were given, in the reporting time zone; None without answers."""

    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class Comment:
    """What one customer wrote, cut to COMMENT_LENGTH characters; the day is that of the reporting time zone."""

    score: int
    category: str
    channel: str
    touchpoint: str
    language: str | None
    text: str
    is_cut: bool
    answered_on: date | None


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rows of one stream that were quarantined or excluded for one reason."""

    source: str
    stream: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class StreamAccount:
    """A row of the conservation table: every served row is in exactly one of the six classes."""

    source: str
    stream: str
    served: int
    superseded: int
    deleted: int
    excluded: int
    quarantined: int
    duplicate: int
    kept: int
    source_count: int | None

    @property
    def unexplained(self) -> int:
        """Served rows that no class accounts for; negative where a row is in two."""
        return self.served - (
            self.superseded + self.deleted + self.excluded + self.quarantined + self.duplicate + self.kept
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the page shows, in the order it is shown."""

    publication: Publication
    answers: int
    span: Span
    sources: list[Source]
    date_bases: list[DateBasis]
    cells: list[Cell]
    scores: list[ScoreCount]
    comments: list[Comment]
    commented: int
    quarantined: list[SetAside]
    excluded: list[SetAside]
    accounts: list[StreamAccount]


# Every query has a total order: the same mart must give the same page, byte for byte.
PUBLICATION = """
    select publication_id, published_at::timestamp, as_of_date, fingerprint, min_n, timezone
    from publication order by published_at desc, publication_id limit 1
"""
# Months without split, windows with each split alone: channel by touchpoint is left to BI.
CELLS = """
    select grain, period_start::date, survey_type, channel, touchpoint, responses, promoters, passives, detractors,
        nps::double, nps_low::double, nps_high::double, score_reason, invited, invited_responded, response_rate::double
    from nps_by_period
    where (grain = 'month' and channel = 'all' and touchpoint = 'all')
        or (grain in ('rolling_90d', 'rolling_365d', 'all_time') and (channel = 'all' or touchpoint = 'all'))
    order by survey_type, grain, period_start, channel, touchpoint
"""
# The same answers that the all-time cell of the survey type counts: the bars add up to its n.
SCORES = """
    select survey_type, score, any_value(nps_category), count(*)
    from fct_nps_responses
    where survey_type <> 'relational' or is_latest_for_customer or customer_id is null
    group by survey_type, score order by survey_type, score
"""
SOURCES = """
    with named as (
        select source_system from loads
        union select source_system from conservation
        union select source_system from fct_nps_responses
    ),
    counted as (select source_system, count(*) as answers from fct_nps_responses group by source_system)
    select source_system, coalesce(answers, 0) as answers
    from named left join counted using (source_system)
    order by answers desc, source_system
"""
DATE_BASES = """
    select responded_at_basis, count(*) from fct_nps_responses
    group by responded_at_basis order by responded_at_basis
"""
SPAN = "select min(responded_at)::timestamp, max(responded_at)::timestamp from fct_nps_responses"
COMMENTED = "select count(*) from fct_nps_responses where trim(comment) <> ''"
COMMENTS = """
    select score, nps_category, channel, touchpoint, language, left(trim(comment), $length),
        length(trim(comment)) > $length, responded_at::timestamp
    from fct_nps_responses
    where trim(comment) <> ''
    order by responded_at desc nulls last, response_id limit $shown
"""
SET_ASIDE = """
    select source_system, source_stream, reason, count(*) as refused from {table}
    group by source_system, source_stream, reason order by refused desc, source_system, source_stream, reason
"""
ACCOUNTS = """
    select source_system, source_stream, served, superseded, deleted, excluded, quarantined, duplicate, kept,
        source_count
    from conservation order by source_system, source_stream
"""


def read_facts(mart: Path, *, with_comments: bool) -> Facts:
    """Read what the report shows from the closed DuckDB file ``mart``; without comments their text is not even read.

    Raises:
        ReportError: the file or one of its tables is missing, or the publication has no row.
    """
    try:
        with duckdb.connect(str(mart), read_only=True) as connection:
            connection.execute("set session TimeZone = 'UTC'")
            return _read(connection, with_comments=with_comments)
    except (duckdb.IOException, duckdb.ConnectionException, duckdb.CatalogException, duckdb.BinderException) as error:
        # These speak of files, tables and columns, never of cell values.
        raise ReportError(
            f"The report cannot be made from {mart}: {str(error).splitlines()[0]} "
            "The publication is unchanged. Run `nps run` to build a complete mart."
        ) from error


def _read(connection: duckdb.DuckDBPyConnection, *, with_comments: bool) -> Facts:
    def rows(sql: str, **values: object) -> list[tuple[Any, ...]]:
        return connection.execute(sql, values or None).fetchall()

    published = rows(PUBLICATION)
    if not published:
        raise ReportError(
            "The report cannot be made: the table publication of the mart has no row, so it is not known what it "
            "describes. The publication is unchanged. Run `nps run` to build a complete mart."
        )
    publication_id, published_at, *about = published[0]
    zone = ZoneInfo(about[-1])
    shown = rows(COMMENTS, length=COMMENT_LENGTH, shown=COMMENTS_SHOWN) if with_comments else []
    [(first, last)] = rows(SPAN)
    [(commented,)] = rows(COMMENTED)
    bases = [DateBasis(*row) for row in rows(DATE_BASES)]
    return Facts(
        publication=Publication(publication_id, _local(published_at, zone), *about),
        answers=sum(basis.answers for basis in bases),
        span=Span(_local_day(first, zone), _local_day(last, zone)),
        sources=[Source(*row) for row in rows(SOURCES)],
        date_bases=bases,
        cells=[Cell(*row) for row in rows(CELLS)],
        scores=[ScoreCount(*row) for row in rows(SCORES)],
        comments=[Comment(*(*row[:-1], _local_day(row[-1], zone))) for row in shown],
        commented=commented,
        quarantined=[SetAside(*row) for row in rows(SET_ASIDE.format(table="quarantined_responses"))],
        excluded=[SetAside(*row) for row in rows(SET_ASIDE.format(table="excluded_responses"))],
        accounts=[StreamAccount(*row) for row in rows(ACCOUNTS)],
    )


def _local(utc: datetime, zone: ZoneInfo) -> datetime:
    return utc.replace(tzinfo=UTC).astimezone(zone)


def _local_day(utc: datetime | None, zone: ZoneInfo) -> date | None:
    return None if utc is None else _local(utc, zone).date()
