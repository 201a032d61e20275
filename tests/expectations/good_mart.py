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
    case when i % 7 <> 0 and i % 10 < 8 then 'a' || (i % 10 % 3) end as account_id,
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

create table fct_invitations as
-- Each relational answer came by a personal invitation; as many were not answered, and one answered is quarantined.
with invited as (
    select response_id as key, customer_id, survey_id, survey_type, channel, touchpoint, invited_at, true as delivered,
        true as responded, response_id
    from fct_nps_responses where invited_at is not null
    union all
    select 'unanswered ' || response_id, customer_id, survey_id, survey_type, channel, touchpoint, invited_at, true,
        response_id = 'r0003', null
    from fct_nps_responses where invited_at is not null
    union all
    select 'link', null, 's_link', 'unclassified', 'web', 'unknown', timestamp '2026-09-01 08:00:00', null, null, null
)
select 'i ' || key as invitation_id, 'salesforce' as source_system, 'SurveyInvitation' as source_stream,
    key as source_record_id, invited.* exclude (key), true as asks_nps
from invited;

create table dim_accounts as
select distinct account_id, 'Account ' || account_id as name, 'SMB' as segment, 'Owner' as owner
from fct_nps_responses where account_id is not null;

create table account_identities as
select account_id, 'hubspot' as source_system, 'companies' as source_stream, 'co' || account_id as source_record_id,
    'own_record' as rule, 'co' || account_id as evidence
from dim_accounts;

create table dim_customers as
select
    customer_id,
    customer_id || '@example.com' as email,
    'Customer ' || customer_id as display_name,
    any_value(account_id) as account_id,
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

create table identity_edges as
select customer_id, source_system, source_stream, source_record_id, 'email' as rule, 'normalised e-mail' as evidence,
    'email:' || customer_id as shared_key, null::varchar as refused
from fct_nps_responses where customer_id is not null;

create table customer_id_history (
    customer_id varchar, became_customer_id varchar, change varchar, records bigint, publication_id varchar,
    published_at timestamp
);

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

create table account_nps as
with votes as (
    select account_id, survey_type, arg_max(nps_category, responded_at) as nps_category
    from fct_nps_responses where account_id is not null
    group by account_id, survey_type, case when survey_type = 'relational' then customer_id else response_id end
),
counted as (
    select account_id, survey_type, count(*) as responses,
        count(*) filter (where nps_category = 'promoter') as promoters,
        count(*) filter (where nps_category = 'passive') as passives,
        count(*) filter (where nps_category = 'detractor') as detractors
    from votes group by account_id, survey_type
)
select
    account_id, survey_type,
    case when responses >= 3 then round(100.0 * (promoters - detractors) / responses, 4) end as nps,
    responses, promoters, passives, detractors,
    case when responses >= 3 then greatest(-100, 100.0 * (promoters - detractors) / responses - 15) end as nps_low,
    case when responses >= 3 then least(100, 100.0 * (promoters - detractors) / responses + 15) end as nps_high,
    case when responses < 3 then 'below_minimum' end as score_reason,
    detractors > 0 as has_detractor
from counted;

create table nps_by_period as
with dated as (
    select *, 'month' as grain, date_trunc('month', responded_at)::date as period_start from fct_nps_responses
    union all
    select *, 'all_time', date '2026-09-29' from fct_nps_responses
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
),
invited_in as (
    select *, 'month' as grain, date_trunc('month', invited_at)::date as period_start from fct_invitations
    union all
    select *, 'all_time', date '2026-09-29' from fct_invitations
),
invitations as (
    select
        grain, period_start, survey_type,
        coalesce(channel, 'all') as channel, coalesce(touchpoint, 'all') as touchpoint,
        count(*) as invited,
        count(*) filter (where responded) as invited_responded
    from invited_in
    where delivered
    group by grouping sets (
        (grain, period_start, survey_type, channel, touchpoint), (grain, period_start, survey_type, channel),
        (grain, period_start, survey_type, touchpoint), (grain, period_start, survey_type)
    )
),
-- People were invited at the end of the month before their answer: its cells have invitations and no answers.
cells_of_both as (
    select
        grain, period_start, survey_type, channel, touchpoint, coalesce(responses, 0) as responses,
        coalesce(promoters, 0) as promoters, coalesce(passives, 0) as passives, coalesce(detractors, 0) as detractors,
        invited, invited_responded
    from counted full join invitations using (grain, period_start, survey_type, channel, touchpoint)
)
select
    grain, period_start, survey_type, channel, touchpoint, responses, promoters, passives, detractors,
    case when responses >= 3 then round(100.0 * (promoters - detractors) / responses, 4) end as nps,
    case when responses >= 3 then greatest(-100, 100.0 * (promoters - detractors) / responses - 15) end as nps_low,
    case when responses >= 3 then least(100, 100.0 * (promoters - detractors) / responses + 15) end as nps_high,
    case when responses < 3 then 'below_minimum' end as score_reason,
    invited,
    invited_responded,
    round(invited_responded / invited, 4) as response_rate
from cells_of_both;

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
        source_system, source_stream, 'response' as role,
        (source_stream = 'retail')::integer as superseded,
        (source_stream = 'retail')::integer * 2 as deleted,
        (source_stream = 'link')::integer * 4 as excluded,
        (source_stream = 'retail')::integer * 3 as quarantined,
        (source_stream = 'support')::integer * 2 as duplicate,
        kept,
        0 as current
    from streams
    union all
    select 'hubspot', 'contacts', 'person', 1, 1, 0, 0, 0, 0, 3
    union all
    select 'hubspot', 'companies', 'account', 0, 0, 0, 0, 0, 0, count(*) from dim_accounts
    union all
    select source_system, source_stream, 'invitation', 0, 0, 0, 0, 0, 0, count(*)
    from fct_invitations group by source_system, source_stream
)
select
    source_system, source_stream, role,
    superseded + deleted + excluded + quarantined + duplicate + kept + current as served,
    superseded, deleted, excluded, quarantined, duplicate, kept, current,
    if(role = 'person', current, null) as source_count, if(role = 'person', current, null) as counted_live
from classes;

create table loads as
select
    source_system, source_stream,
    'load-' || if(role = 'person', 'people', row_number() over (order by role desc, source_stream)::text) as load_id,
    1 as load_seq, if(role = 'response', 'file', 'full') as mode, timestamp '{published_at}' as finished_at,
    served as manifest_rows, served as parquet_rows, served as classified_rows, superseded, deleted, excluded,
    quarantined, duplicate, kept, current, 0 as reread_rows,
    if(role <> 'response', current, null) as live_records, if(role <> 'response', current, null) as live_before,
    false as is_shrink_accepted, '{{}}' as cursor_after, timestamp '{published_at}' as cursor_at
from conservation
union all
select 'hubspot', 'contacts', 'load-nothing-new', 2, 'incremental', timestamp '{published_at}', 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 7, null, null, false, '{{}}', null;

create table sync_wanted as
with latest as (
    select arg_max(response_id, responded_at) as response_id
    from fct_nps_responses where survey_type = 'relational' and customer_id is not null group by customer_id
)
select
    destination, object, object || ' ' || customer_id as record_id, field,
    case value
        when 'score' then score::text
        when 'category' then upper(nps_category)
        else left(strftime(responded_at, '%Y-%m-%dT%H:%M:%SZ'), if(destination = 'hubspot', 20, 10))
    end as wanted,
    responded_at as as_of, response_id, customer_id, survey_type, value
from latest inner join fct_nps_responses using (response_id), (values
    ('hubspot', 'contact', 'nps_score', 'score'), ('hubspot', 'contact', 'nps_group', 'category'),
    ('hubspot', 'contact', 'nps_at', 'responded_at'), ('zendesk', 'user', 'nps_on', 'responded_at')
) as fields(destination, object, field, value);

-- One contact is of nobody who answered: it is observed, and nothing is wanted of it.
create table sync_observed as
select destination, object, record_id, field, null::text as observed, timestamp '2026-11-01 08:00:00' as observed_at
from sync_wanted
union all
select 'hubspot', 'contact', 'contact of nobody', 'nps_score', '7', timestamp '2026-11-01 08:00:00';

create table publication as
select
    'p1' as publication_id, timestamp '{published_at}' as published_at, date '2026-11-22' as as_of_date,
    'UTC' as timezone, 3 as min_n, 0.8 as shrink_floor, 'fingerprint-1' as fingerprint,
    'content-1' as content_hash, '["load-0"]' as input_loads, '{{}}' as row_counts;
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
