-- One row per person record: its content, also when it is deleted by now.
select
    records.source_system,
    records.source_stream,
    records.source_record_id,
    records.source_version,
    records.is_deleted,
    records.first_landed_at,
    lower(nullif(trim(people.email), '')) as email,
    people.email_key,
    people.display_name,
    people.name_key,
    nullif(trim(people.phone), '') as phone,
    nullif(trim(people.mobile_phone), '') as mobile_phone,
    nullif(trim(people.country), '') as country,
    people.account_stream,
    people.account_record_id,
    nullif(trim(people.cross_reference), '') as cross_reference,
    people.cross_reference_to,
    coalesce(lower(trim(people.kind)) in ('admin', 'agent'), false) as is_staff,
    people.observed
from {{ ref('int_records') }} as records
left join {{ ref('stg_people') }} as people
    on
        people.load_id = records.content_load_id
        and people.row_no = records.content_row_no
where records.role = 'person'
