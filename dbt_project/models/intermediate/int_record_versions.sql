-- Every landed row of every stream: is it its record's current version, and which one carries its content?
with landed as (
    select
        records.source_system,
        records.source_stream,
        records.source_record_id,
        records.load_id,
        records.load_seq,
        records.row_no,
        records.source_version,
        records.is_deleted,
        loads.role,
        loads.started_at,
        loads.is_replaced
    from {{ ref('stg_records') }} as records
    inner join {{ ref('stg_loads') }} as loads on loads.load_id = records.load_id
),

-- A row of a replaced load is never current, and a delete carries no content.
ranked as (
    select
        *,
        row_number() over (
            partition by landed.source_system, landed.source_stream, landed.source_record_id, landed.is_replaced
            order by landed.source_version desc nulls last, landed.load_seq desc, landed.row_no desc
        ) as version_rank,
        row_number() over (
            partition by
                landed.source_system,
                landed.source_stream,
                landed.source_record_id,
                landed.is_replaced,
                landed.is_deleted
            order by landed.source_version desc nulls last, landed.load_seq desc, landed.row_no desc
        ) as content_rank,
        first_value(landed.load_id) over (
            partition by landed.source_system, landed.source_stream, landed.source_record_id
            order by landed.started_at, landed.load_seq, landed.row_no
        ) as first_load_id,
        min(landed.started_at)
            over (partition by landed.source_system, landed.source_stream, landed.source_record_id)
            as first_landed_at
    from landed
)

select
    source_system,
    source_stream,
    source_record_id,
    role,
    load_id,
    row_no,
    source_version,
    is_deleted,
    first_load_id,
    first_landed_at,
    not is_replaced and version_rank = 1 as is_current,
    not is_replaced and not is_deleted and content_rank = 1 as has_content
from ranked
