"""A small mart that breaks no rule, with every contract table that the gate reads; tests break it on purpose.

Everything is derived from one list of answers, so the tables agree with each other however the list is changed.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

PUBLISHED_AT = "2026-11-22 10:00:00"

# Two survey files (a relational one with invitations, a transactional one) and a stream of unclassified link answers.
# Every seventh answer is anonymous; customers answer more than once.
_TABLES = """
create table fct_nps_responses as
select
    'r' || lpad(i::varchar, 4, '0') as response_id,
    'files' as source_system,
    ['retail', 'support', 'link'][i % 3 + 1] as source_stream,
    'rec' || i as source_record_id,
    case when i % 7 <> 0 then 'c' || (i % 10) end as customer_id,
    null::varchar as account_id,
    's_' || ['retail', 'support', 'link'][i % 3 + 1] as survey_id,
    ['relational', 'transactional', 'unclassified'][i % 3 + 1] as survey_type,
    case when i % 5 = 0 then 'unknown' when i % 2 = 0 then 'email' else 'web' end as channel,
    ['purchase', 'support', 'unknown'][i % 4 % 3 + 1] as touchpoint,
    (i * 7 % 11)::integer as score,
    case when i * 7 % 11 <= 6 then 'detractor' when i * 7 % 11 <= 8 then 'passive' else 'promoter' end as nps_category,
    'comment ' || i as comment,
    'fr' as language,
    timestamp '2026-10-01 08:00:00' + interval (i) hour as responded_at,
    'source' as responded_at_basis,
    case when i % 3 = 0 then timestamp '2026-10-01 08:00:00' + interval (i) hour - interval 2 day end as invited_at,
    false as is_latest_for_customer,
    'load-' || (i % 3) as first_load_id
from range({answers}) as numbers(i);

update fct_nps_responses as r set is_latest_for_customer = customer_id is not null and responded_at = (
    select max(o.responded_at) from fct_nps_responses as o
    where o.customer_id = r.customer_id and o.survey_type = r.survey_type
);

create table dim_customers as
select
    customer_id,
    customer_id || '@example.com' as email,
    'Customer ' || customer_id as display_name,
    null::varchar as account_id,
    min(responded_at) as first_seen_at,
    count(*) as identity_count
from fct_nps_responses where customer_id is not null group by customer_id;

create table dim_surveys as
select distinct survey_id, source_system, source_stream as name, survey_type, 'email' as channel,
    'purchase' as touchpoint, 0 as scale_min, 10 as scale_max
from fct_nps_responses;

create table customer_identities as
select customer_id, source_system, source_stream, source_record_id, 'email' as rule, 'normalised e-mail' as evidence
from fct_nps_responses where customer_id is not null;

create table customer_nps as
select
    customer_id,
    survey_type,
    arg_max(score, responded_at) as score,
    arg_max(nps_category, responded_at) as nps_category,
    max(responded_at) as responded_at,
    count(*) as responses,
    null::integer as previous_score,
    null::varchar as trend
from fct_nps_responses where customer_id is not null group by customer_id, survey_type;

create table nps_by_period as
with dated as (
    select *, 'month' as grain, date_trunc('month', responded_at)::date as period_start from fct_nps_responses
    union all
    select *, 'all_time', null from fct_nps_responses
),
cells as (
    select
        grain, period_start, survey_type,
        coalesce(channel, 'all') as channel, coalesce(touchpoint, 'all') as touchpoint,
        -- relational: the latest answer per customer within the cell; anonymous answers each count once
        list_distinct(list((
            case when survey_type = 'relational' then coalesce(customer_id, response_id) else response_id end
        ))) as people,
        list(score order by responded_at desc) as scores,
        list(case when survey_type = 'relational' then coalesce(customer_id, response_id) else response_id end
            order by responded_at desc) as owners
    from dated
    group by grouping sets (
        (grain, period_start, survey_type, channel, touchpoint), (grain, period_start, survey_type, channel),
        (grain, period_start, survey_type, touchpoint), (grain, period_start, survey_type)
    )
),
latest as (
    select *, list_transform(people, lambda person: scores[list_position(owners, person)]) as answers from cells
),
counted as (
    select
        grain, period_start, survey_type, channel, touchpoint,
        len(answers) as responses,
        len(list_filter(answers, lambda answer: answer >= 9)) as promoters,
        len(list_filter(answers, lambda answer: answer in (7, 8))) as passives,
        len(list_filter(answers, lambda answer: answer <= 6)) as detractors
    from latest
)
select
    grain, period_start, survey_type, channel, touchpoint, responses, promoters, passives, detractors,
    case when responses >= 3 then round(100.0 * (promoters - detractors) / responses, 4) end as nps,
    case when responses >= 3 then greatest(-100, 100.0 * (promoters - detractors) / responses - 15) end as nps_low,
    case when responses >= 3 then least(100, 100.0 * (promoters - detractors) / responses + 15) end as nps_high,
    case when responses < 3 then 'below_minimum' end as score_reason,
    case when survey_type = 'relational' then responses * 2 end as invited,
    case when survey_type = 'relational' then responses end as invited_responded,
    case when survey_type = 'relational' then 0.5 end as response_rate
from counted;

create table duplicate_responses as
select 'files' as source_system, 'support' as source_stream, 'dup' || i as source_record_id, 'r0001' as response_id,
    'same_native_id' as rule
from range(2) as numbers(i);

create table quarantined_responses as
select 'files' as source_system, 'retail' as source_stream, 'bad' || i as source_record_id, 'load-0' as load_id,
    'score_blank' as reason, 'column nps' as detail
from range(3) as numbers(i);

create table excluded_responses as
select 'files' as source_system, 'link' as source_stream, 'partial' || i as source_record_id, 'load-2' as load_id,
    'partial' as reason
from range(4) as numbers(i);

create table conservation as
with streams as (
    select source_system, source_stream, count(*) as kept
    from fct_nps_responses group by source_system, source_stream
    -- A stream of which nothing is kept, such as a survey without an NPS question.
    union all
    select 'files', 'empty', 0
),
classes as (
    select
        source_system, source_stream, kept,
        (source_stream = 'retail')::integer as superseded,
        (source_stream = 'retail')::integer * 2 as deleted,
        (source_stream = 'link')::integer * 4 as excluded,
        (source_stream = 'retail')::integer * 3 as quarantined,
        (source_stream = 'support')::integer * 2 as duplicate
    from streams
)
select
    source_system, source_stream,
    superseded + deleted + excluded + quarantined + duplicate + kept as served,
    superseded, deleted, excluded, quarantined, duplicate, kept,
    null::bigint as source_count
from classes;

create table loads as
select
    source_system, source_stream, 'load-' || (row_number() over (order by source_stream)) as load_id, 1 as load_seq,
    'file' as mode, served as manifest_rows, served as parquet_rows, served as classified_rows, '{{}}' as cursor_after
from conservation
-- A load of a stream of people: it is no response stream, so the conservation of responses does not know it.
union all
select 'hubspot', 'contacts', 'load-people', 1, 'incremental', 5, 5, 5, '{{}}'
union all
select 'hubspot', 'contacts', 'load-nothing-new', 2, 'incremental', 0, 0, 0, '{{}}';

create table publication as
select
    'p1' as publication_id, timestamp '{published_at}' as published_at, date '2026-11-22' as as_of_date,
    'UTC' as timezone, 3 as min_n, 'fingerprint-1' as fingerprint, '["load-0"]' as input_loads, '{{}}' as row_counts;
"""


def build(directory: Path, answers: int = 60) -> Path:
    """Write ``mart.duckdb`` and ``parquet/*.parquet`` of a good mart and return the mart's path, closed."""
    directory.mkdir(parents=True, exist_ok=True)
    mart = directory / "mart.duckdb"
    with duckdb.connect(str(mart)) as connection:
        connection.execute(_TABLES.format(answers=answers, published_at=PUBLISHED_AT))
    export(directory)
    return mart


def change(mart: Path, sql: str) -> None:
    """Break a mart, or mend it, with SQL."""
    with duckdb.connect(str(mart)) as connection:
        connection.execute(sql)


def export(directory: Path) -> None:
    """Write each table of the mart to its Parquet file, and only these."""
    folder = directory / "parquet"
    folder.mkdir(exist_ok=True)
    for stale in folder.iterdir():
        stale.unlink()
    with duckdb.connect(str(directory / "mart.duckdb"), read_only=True) as connection:
        for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            path = str(folder / f"{table}.parquet").replace("'", "''")
            connection.execute(f"copy {table} to '{path}' (format parquet)")
