-- What can tell that two records are the same account: one row per record and key. Add a rule as one more select.
with companies as (
    select
        companies.*,
        {{ record_key('companies') }} as record_key,
        not companies.is_deleted as is_live,
        {{ reference_key('companies.source_system', 'companies.source_stream', 'companies.source_record_id') }}
            as own_key,
        {{ reference_key(
            dbt.split_part('companies.cross_reference_to', "'.'", 1),
            dbt.split_part('companies.cross_reference_to', "'.'", 2),
            'companies.cross_reference'
        ) }} as cross_reference_key
    from {{ ref('int_account_records') }} as companies
),

own_records as (
    select
        source_system,
        source_stream,
        source_record_id,
        first_landed_at,
        record_key,
        is_live,
        'own_record' as rule,
        4 as strength,
        source_record_id as evidence,
        own_key as account_key
    from companies
),

-- The source itself says that two of its records are one since they were merged.
merged_records as (
    select
        companies.source_system,
        companies.source_stream,
        companies.source_record_id,
        companies.first_landed_at,
        companies.record_key,
        companies.is_live,
        'merge' as rule,
        1 as strength,
        merged.other_record_id as evidence,
        {{ reference_key('merged.source_system', 'merged.source_stream', 'merged.other_record_id') }} as account_key
    from companies
    inner join {{ ref('int_merges') }} as merged
        on
            merged.source_system = companies.source_system
            and merged.source_stream = companies.source_stream
            and merged.source_record_id = companies.source_record_id
),

-- An id of another source counts where that source serves such a record, so a customer number is no reference.
cross_references as (
    select
        companies.source_system,
        companies.source_stream,
        companies.source_record_id,
        companies.first_landed_at,
        companies.record_key,
        companies.is_live,
        'cross_reference' as rule,
        2 as strength,
        companies.cross_reference as evidence,
        referenced.own_key as account_key
    from companies
    inner join companies as referenced on referenced.own_key = companies.cross_reference_key
),

-- A source that has a domain on several accounts tells them apart: subsidiaries, and which one is meant is not said.
counted_domains as (
    select
        source_system,
        source_stream,
        domain,
        count(*) as account_count
    from companies
    where is_live
    group by
        source_system,
        source_stream,
        domain
),

crowded_domains as (
    select distinct domain
    from counted_domains
    where account_count > 1
),

-- A domain that many companies share says nothing about who they are.
domains as (
    select
        companies.source_system,
        companies.source_stream,
        companies.source_record_id,
        companies.first_landed_at,
        companies.record_key,
        companies.is_live,
        'domain' as rule,
        3 as strength,
        companies.domain as evidence,
        concat('domain:', companies.domain) as account_key
    from companies
    left join {{ ref('shared_domains') }} as shared_domains on shared_domains.domain = companies.domain
    left join crowded_domains on crowded_domains.domain = companies.domain
    where companies.domain <> '' and shared_domains.domain is null and crowded_domains.domain is null
),

unioned as (
    select * from merged_records
    union all
    select * from cross_references
    union all
    select * from domains
    union all
    select * from own_records
)

select
    source_system,
    source_stream,
    source_record_id,
    first_landed_at,
    record_key,
    is_live,
    rule,
    strength,
    evidence,
    account_key
from unioned
