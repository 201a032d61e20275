with classified as (
    select
        load_id,
        count(*) as classified_rows,
        {{ class_counts() }}
    from {{ ref('int_row_classes') }}
    group by load_id
)

select
    loads.source_system,
    loads.source_stream,
    loads.load_id,
    loads.load_seq,
    loads.mode,
    loads.finished_at,
    loads.manifest_rows,
    loads.parquet_rows,
    coalesce(classified.classified_rows, 0) as classified_rows,
    coalesce(classified.superseded, 0) as superseded,
    coalesce(classified.deleted, 0) as deleted,
    coalesce(classified.excluded, 0) as excluded,
    coalesce(classified.quarantined, 0) as quarantined,
    coalesce(classified.duplicate, 0) as duplicate,
    coalesce(classified.kept, 0) as kept,
    coalesce(classified.current_rows, 0) as current, -- noqa: RF04
    loads.reread_rows,
    loads.live_records,
    loads.live_before,
    loads.is_shrink_accepted,
    loads.cursor_after,
    loads.cursor_at
from {{ ref('stg_loads') }} as loads
left join classified on classified.load_id = loads.load_id
