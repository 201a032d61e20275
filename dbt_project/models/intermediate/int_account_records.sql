-- One row per account record: its content, also when it is deleted by now.
select
    records.source_system,
    records.source_stream,
    records.source_record_id,
    records.source_version,
    records.is_deleted,
    records.first_landed_at,
    nullif(trim(account_rows.name), '') as name,
    coalesce({{ web_domain('account_rows.domain') }}, {{ web_domain('account_rows.website') }}) as domain, -- noqa: RF04
    nullif(trim(account_rows.country), '') as country,
    nullif(trim(account_rows.segment), '') as segment,
    nullif(trim(account_rows.owner), '') as owner, -- noqa: RF04
    nullif(trim(account_rows.cross_reference), '') as cross_reference,
    account_rows.cross_reference_to
from {{ ref('int_records') }} as records
left join {{ ref('stg_accounts') }} as account_rows
    on
        account_rows.load_id = records.content_load_id
        and account_rows.row_no = records.content_row_no
where records.role = 'account'
