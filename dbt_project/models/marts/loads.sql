with classified as (
    select
        load_id,
        count(*) as classified_rows
    from {{ ref('int_row_classes') }}
    group by load_id
)

select
    loads.source_system,
    loads.source_stream,
    loads.load_id,
    loads.load_seq,
    loads.mode,
    loads.manifest_rows,
    loads.parquet_rows,
    coalesce(classified.classified_rows, 0) as classified_rows,
    loads.cursor_after
from {{ ref('stg_loads') }} as loads
left join classified on classified.load_id = loads.load_id
