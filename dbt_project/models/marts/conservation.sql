with row_classes as (
    select
        source_system,
        source_stream,
        count(*) filter (where class = 'superseded') as superseded,
        count(*) filter (where class = 'deleted') as deleted,
        count(*) filter (where class = 'excluded') as excluded,
        count(*) filter (where class = 'quarantined') as quarantined,
        count(*) filter (where class = 'duplicate') as duplicate,
        count(*) filter (where class = 'kept') as kept,
        count(*) filter (where class = 'current') as current_rows
    from {{ ref('int_row_classes') }}
    group by source_system, source_stream
),

-- What was served is counted from the manifests, not from the rows that were classified: the two must agree.
served as (
    select
        source_system,
        source_stream,
        role,
        sum(manifest_rows) as served
    from {{ ref('stg_loads') }}
    group by source_system, source_stream, role
),

-- A reconcile load asks the source for its own count.
latest_counts as (
    select
        source_system,
        source_stream,
        source_count,
        row_number() over (partition by source_system, source_stream order by load_seq desc) as recency
    from {{ ref('stg_loads') }}
    where mode = 'reconcile' and source_count is not null
)

select
    served.source_system,
    served.source_stream,
    served.role,
    cast(served.served as bigint) as served,
    coalesce(row_classes.superseded, 0) as superseded,
    coalesce(row_classes.deleted, 0) as deleted,
    coalesce(row_classes.excluded, 0) as excluded,
    coalesce(row_classes.quarantined, 0) as quarantined,
    coalesce(row_classes.duplicate, 0) as duplicate,
    coalesce(row_classes.kept, 0) as kept,
    coalesce(row_classes.current_rows, 0) as current, -- noqa: RF04
    latest_counts.source_count
from served
left join row_classes
    on row_classes.source_system = served.source_system and row_classes.source_stream = served.source_stream
left join latest_counts
    on
        latest_counts.source_system = served.source_system
        and latest_counts.source_stream = served.source_stream
        and latest_counts.recency = 1
