-- What was live when the source counted its records itself, per stream at the latest such load: the two must agree.
with counted as (
    select
        source_system,
        source_stream,
        load_id,
        load_seq,
        source_count,
        row_number() over (partition by source_system, source_stream order by load_seq desc) as recency
    from {{ ref('stg_loads') }}
    where source_count is not null
),

-- Every version that was landed by then; the latest of a record says whether it lived.
landed as (
    select
        counted.load_id,
        records.is_deleted,
        row_number() over (
            partition by records.source_system, records.source_stream, records.source_record_id
            order by records.source_version desc nulls last, records.load_seq desc, records.row_no desc
        ) as version_rank
    from counted
    inner join {{ ref('stg_records') }} as records
        on
            records.source_system = counted.source_system
            and records.source_stream = counted.source_stream
            and records.load_seq <= counted.load_seq
    where counted.recency = 1
),

live as (
    select
        load_id,
        count(*) as live_records
    from landed
    where version_rank = 1 and not is_deleted
    group by load_id
)

select
    counted.source_system,
    counted.source_stream,
    counted.load_id,
    counted.source_count,
    coalesce(live.live_records, 0) as counted_live
from counted
left join live on live.load_id = counted.load_id
where counted.recency = 1
