"""A big mart that breaks no rule, with every contract table in proportion: one customer to ten answers. Pure SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb

# The oldest storage version, as a publication has it.
_STORAGE = "v1.0.0"

# Ids are 32 hexadecimal digits and a third of the answers has a comment, as in a real mart: what is read counts.
_TABLES = """
create table mart.fct_nps_responses as
select
    md5('response ' || i) as response_id,
    ['files', 'hubspot', 'zendesk'][i % 3 + 1] as source_system,
    ['retail', 'feedback_submissions', 'tickets'][i % 3 + 1] as source_stream,
    md5('record ' || i) as source_record_id,
    case when i % 7 <> 0 then md5('customer ' || i % {customers}) end as customer_id,
    case when i % 7 <> 0 then md5('account ' || i % {customers} % {accounts}) end as account_id,
    md5('survey ' || i % 3) as survey_id,
    ['relational', 'transactional', 'unclassified'][i % 3 + 1] as survey_type,
    case when i % 5 = 0 then 'unknown' when i % 2 = 0 then 'email' else 'web' end as channel,
    ['purchase', 'support', 'unknown'][i % 4 % 3 + 1] as touchpoint,
    (i * 7 % 11)::integer as score,
    case when i * 7 % 11 <= 6 then 'detractor' when i * 7 % 11 <= 8 then 'passive' else 'promoter' end as nps_category,
    case when i % 3 = 1 then 'It took ' || i % 30 || ' days and four calls before somebody answered.' end as comment,
    if(i % 3 = 1, 'en', null) as language,
    timestamp '2024-01-01 08:00:00' + interval (i * 7919 % 90000000) second as responded_at,
    'source' as responded_at_basis,
    case when i % 3 = 0
        then timestamp '2024-01-01 08:00:00' + interval (i * 7919 % 90000000 - 172800) second end as invited_at,
    i + {customers} >= {rows} as is_latest_for_customer,
    'load-' || i % 1000 as first_load_id
from range({rows}) as numbers(i);

create table mart.fct_invitations as
select md5('invitation ' || i) as invitation_id, 'salesforce' as source_system, 'SurveyInvitation' as source_stream,
    md5('invited ' || i) as source_record_id, md5('customer ' || i % {customers}) as customer_id,
    md5('survey 0') as survey_id, 'relational' as survey_type, 'email' as channel, 'purchase' as touchpoint,
    timestamp '2024-01-01 08:00:00' + interval (i * 7919 % 90000000) second as invited_at, true as delivered,
    i % 3 = 0 as responded, if(i % 3 = 0, md5('response ' || i), null) as response_id, true as asks_nps
from range({rows}) as numbers(i);

create table mart.dim_accounts as
select md5('account ' || i) as account_id, 'Account ' || i as name, 'SMB' as segment, 'Owner ' || i % 50 as owner
from range({accounts}) as numbers(i);

create table mart.account_identities as
select account_id, 'hubspot' as source_system, 'companies' as source_stream, account_id as source_record_id,
    'own_record' as rule, account_id as evidence
from mart.dim_accounts;

create table mart.dim_customers as
select md5('customer ' || i) as customer_id, 'customer' || i || '@example.com' as email,
    'Customer ' || i as display_name, md5('account ' || i % {accounts}) as account_id,
    timestamp '2024-01-01 08:00:00' as first_seen_at, 2 as identity_count
from range({customers}) as numbers(i);

create table mart.customer_identities as
select customer_id, source_system, source_stream, md5(source_system || customer_id) as source_record_id,
    'email' as rule, 'normalised e-mail' as evidence
from mart.dim_customers,
    (values ('hubspot', 'contacts'), ('zendesk', 'users')) as streams(source_system, source_stream);

create table mart.identity_edges as
select customer_id, source_system, source_stream, source_record_id, 'email' as rule, 'normalised e-mail' as evidence,
    'email:' || customer_id as shared_key, null::varchar as refused
from mart.customer_identities;

create table mart.customer_id_history as
select md5(customer_id) as customer_id, customer_id as became_customer_id, 'join' as change, 1::bigint as records,
    'before' as publication_id, first_seen_at as published_at
from mart.dim_customers;

create table mart.dim_surveys as
select distinct survey_id, source_system, source_stream as name, survey_type, 'email' as channel,
    'purchase' as touchpoint, 0 as scale_min, 10 as scale_max
from mart.fct_nps_responses;

create table mart.customer_nps as
select customer_id, survey_type, arg_max(score, responded_at) as score,
    arg_max(nps_category, responded_at) as nps_category, max(responded_at) as responded_at, count(*) as responses,
    null::integer as previous_score, null::varchar as trend
from mart.fct_nps_responses where customer_id is not null group by customer_id, survey_type;

create table mart.account_nps as
with counted as (
    select account_id, survey_type, count(*) as responses,
        count(*) filter (where nps_category = 'promoter') as promoters,
        count(*) filter (where nps_category = 'passive') as passives,
        count(*) filter (where nps_category = 'detractor') as detractors
    from mart.fct_nps_responses where account_id is not null group by account_id, survey_type
)
select account_id, survey_type, 100.0 * (promoters - detractors) / responses as nps, responses, promoters, passives,
    detractors, -100 as nps_low, 100 as nps_high, null::varchar as score_reason, detractors > 0 as has_detractor
from counted;

create table mart.nps_by_period as
with grains as (select unnest(['day', 'week', 'month', 'quarter']) as grain),
counted as (
    select grain, date_trunc(grain, responded_at)::date as period_start, survey_type,
        coalesce(channel, 'all') as channel, coalesce(touchpoint, 'all') as touchpoint, count(*) as responses,
        count(*) filter (where score >= 9) as promoters, count(*) filter (where score in (7, 8)) as passives,
        count(*) filter (where score <= 6) as detractors
    from (
        select responded_at::date as responded_at, survey_type, channel, touchpoint, score from mart.fct_nps_responses
    ), grains
    group by grouping sets (
        (grain, period_start, survey_type, channel, touchpoint), (grain, period_start, survey_type, channel),
        (grain, period_start, survey_type, touchpoint), (grain, period_start, survey_type)
    )
)
select *, 100.0 * (promoters - detractors) / responses as nps, -100 as nps_low, 100 as nps_high,
    null::varchar as score_reason, responses as invited, responses as invited_responded, 1.0 as response_rate
from counted;

create table mart.duplicate_responses as
select 'zendesk' as source_system, 'tickets' as source_stream, md5('duplicate ' || i) as source_record_id,
    md5('response ' || i) as response_id, 'same_answer' as rule
from range({hundredth}) as numbers(i);

create table mart.quarantined_responses as
select 'files' as source_system, 'retail' as source_stream, md5('quarantined ' || i) as source_record_id,
    'load-' || i % 1000 as load_id, 'score_blank' as reason, 'column nps' as detail
from range({hundredth}) as numbers(i);

create table mart.excluded_responses as
select 'hubspot' as source_system, 'feedback_submissions' as source_stream,
    md5('excluded ' || i) as source_record_id, 'load-' || i % 1000 as load_id, 'partial' as reason
from range({hundredth}) as numbers(i);

create table mart.conservation as
with classes as (
    select source_system, source_stream, 'response' as role, 0 as superseded, 0 as deleted,
        if(source_system = 'hubspot', {hundredth}, 0) as excluded,
        if(source_system = 'files', {hundredth}, 0) as quarantined,
        if(source_system = 'zendesk', {hundredth}, 0) as duplicate, count(*) as kept, 0 as current
    from mart.fct_nps_responses group by source_system, source_stream
    union all
    select 'salesforce', 'SurveyInvitation', 'invitation', 0, 0, 0, 0, 0, 0, {rows}
)
select source_system, source_stream, role,
    superseded + deleted + excluded + quarantined + duplicate + kept + current as served, superseded, deleted,
    excluded, quarantined, duplicate, kept, current, null::bigint as source_count, null::bigint as counted_live
from classes;

create table mart.loads as
select source_system, source_stream, source_system || '-' || part as load_id, part as load_seq, 'file' as mode,
    timestamp '2026-11-22 10:00:00' as finished_at, if(part = 0, served, 0) as manifest_rows,
    if(part = 0, served, 0) as parquet_rows, if(part = 0, served, 0) as classified_rows,
    if(part = 0, superseded, 0) as superseded, if(part = 0, deleted, 0) as deleted,
    if(part = 0, excluded, 0) as excluded, if(part = 0, quarantined, 0) as quarantined,
    if(part = 0, duplicate, 0) as duplicate, if(part = 0, kept, 0) as kept, if(part = 0, current, 0) as current,
    0 as reread_rows, null::bigint as live_records, null::bigint as live_before, false as is_shrink_accepted,
    '{{}}' as cursor_after, null::timestamp as cursor_at
from mart.conservation, range(250) as parts(part);

create table mart.sync_wanted as
with latest as (
    select arg_max(response_id, responded_at) as response_id
    from mart.fct_nps_responses where survey_type = 'relational' and customer_id is not null group by customer_id
)
select 'hubspot' as destination, 'contact' as object, 'contact ' || customer_id as record_id, field,
    case value when 'score' then score::text when 'category' then upper(nps_category)
        else strftime(responded_at, '%Y-%m-%dT%H:%M:%SZ') end as wanted,
    responded_at as as_of, response_id, customer_id, survey_type, value
from latest inner join mart.fct_nps_responses using (response_id), (values
    ('nps_score', 'score'), ('nps_group', 'category'), ('nps_at', 'responded_at')
) as fields(field, value);

create table mart.sync_observed as
select 'hubspot' as destination, 'contact' as object, 'contact ' || customer_id as record_id, field,
    null::text as observed, timestamp '2026-11-01 08:00:00' as observed_at
from mart.dim_customers, (values ('nps_score'), ('nps_group'), ('nps_at')) as fields(field);

create table mart.publication as
select 'benchmark' as publication_id, timestamp '2026-11-22 10:00:00' as published_at, date '2026-11-22' as as_of_date,
    'UTC' as timezone, 30 as min_n, 0.8 as shrink_floor, 'benchmark' as fingerprint, 'benchmark' as content_hash,
    '[]' as input_loads, '{{}}' as row_counts;
"""


def build(directory: Path, rows: int) -> dict[str, int]:
    """Write ``mart.duckdb`` and ``parquet/*.parquet`` of a valid mart, both closed.

    Args:
        directory: where to; it exists.
        rows: kept answers; all else is in proportion. At least 1,000.

    Returns:
        Table -> its rows.
    """
    mart, parquet = directory / "mart.duckdb", directory / "parquet"
    parquet.mkdir()
    sizes = {"rows": rows, "customers": rows // 10, "accounts": rows // 100, "hundredth": rows // 100}
    with duckdb.connect() as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute(f"set temp_directory = '{directory / 'spill'}'")
        connection.execute(f"attach '{mart}' as mart (storage_version '{_STORAGE}')")
        connection.execute(_TABLES.format(**sizes))
        tables = [name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()]
        for table in tables:
            connection.execute(f"copy mart.{table} to '{parquet / table}.parquet' (format parquet)")
        return {table: connection.execute(f"select count(*) from mart.{table}").fetchall()[0][0] for table in tables}
