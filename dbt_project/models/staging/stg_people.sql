{{ parsed_once_per_load() }}

with parsed as (
    {{ parse_role('person', [
        'email', 'display_name', 'first_name', 'last_name', 'phone', 'mobile_phone', 'country', 'account_stream',
        'account_id', 'cross_reference', 'cross_reference_to', 'merged_ids', 'merged_into', 'kind', 'observed'
    ]) }}
),

named as (
    select
        parsed.*,
        coalesce(
            nullif(trim(display_name), ''),
            nullif(trim(concat(coalesce(trim(first_name), ''), ' ', coalesce(trim(last_name), ''))), '')
        ) as person_name
    from parsed
)

select
    source_system,
    source_stream,
    record_id as source_record_id,
    load_id,
    load_seq,
    row_no,
    source_version,
    is_deleted,
    extracted_at,
    fields_hash,
    email,
    {{ email_key('email') }} as email_key,
    person_name as display_name,
    {{ name_key('person_name') }} as name_key,
    phone,
    mobile_phone,
    country,
    account_stream,
    account_id as account_record_id,
    cross_reference,
    cross_reference_to,
    merged_ids,
    merged_into,
    kind,
    observed
from named
