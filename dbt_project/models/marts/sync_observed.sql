-- What the fields that sync-back writes say at their destination, as last pulled; every live record, wanted or not.
select
    sync_fields.destination,
    sync_fields.object,
    people.source_record_id as record_id,
    sync_fields.field,
    {{ field_text('sync_fields.kind', json_member('people.observed', 'sync_fields.field')) }} as observed,
    people.source_version as observed_at
from {{ ref('stg_sync_fields') }} as sync_fields
inner join {{ ref('int_people') }} as people
    on
        people.source_system = sync_fields.destination
        and people.source_stream = sync_fields.source_stream
where not people.is_deleted
