-- Survivorship, field by field: the live record that has a value, the most preferred source first (nps.yaml), then the
-- one landed first. When a record was changed plays no part, so that a value does not jump from record to record.
with ranked as (
    select
        identities.account_id,
        records.name,
        records.segment,
        records.owner,
        row_number() over (
            partition by identities.account_id
            order by
                places.place,
                records.first_landed_at,
                records.source_system,
                records.source_stream,
                records.source_record_id
        ) as place
    from {{ ref('int_account_identities') }} as identities
    inner join {{ ref('int_account_records') }} as records
        on
            records.source_system = identities.source_system
            and records.source_stream = identities.source_stream
            and records.source_record_id = identities.source_record_id
    inner join {{ ref('int_stream_places') }} as places
        on
            places.source_system = records.source_system
            and places.source_stream = records.source_stream
    where not records.is_deleted
)

select
    account_id,
    {{ first_by('name', 'place') }} as name,
    {{ first_by('segment', 'place') }} as segment,
    {{ first_by('owner', 'place') }} as owner -- noqa: RF04
from ranked
group by account_id
