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
        3 as strength,
        source_record_id as evidence,
        own_key as account_key
    from companies
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
        1 as strength,
        companies.cross_reference as evidence,
        referenced.own_key as account_key
    from companies
    inner join companies as referenced on referenced.own_key = companies.cross_reference_key
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
        2 as strength,
        companies.domain as evidence,
        concat('domain:', companies.domain) as account_key
    from companies
    left join {{ ref('shared_domains') }} as shared_domains on shared_domains.domain = companies.domain
    where companies.domain <> '' and shared_domains.domain is null
),

unioned as (
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
