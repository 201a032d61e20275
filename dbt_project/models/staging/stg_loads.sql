with loads as (
    select * from {{ source('raw', 'loads') }}
),

replaced as (
    select distinct unnest(replaces) as load_id from loads
)

select
    loads.source_system,
    loads.source_stream,
    loads.role,
    loads.load_id,
    loads.load_seq,
    loads.mode,
    loads.started_at,
    loads.finished_at,
    loads.manifest_rows,
    loads.reread_rows,
    loads.parquet_rows,
    loads.live_records,
    loads.live_before,
    loads.source_count,
    loads.cursor_after,
    loads.cursor_at,
    loads.fields_hash,
    loads.is_shrink_accepted,
    replaced.load_id is not null as is_replaced
from loads
left join replaced on replaced.load_id = loads.load_id
