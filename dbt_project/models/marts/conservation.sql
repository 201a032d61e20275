with row_classes as (
    select
        source_system,
        source_stream,
        {{ class_counts() }}
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
    source_counts.source_count,
    source_counts.counted_live
from served
left join row_classes
    on row_classes.source_system = served.source_system and row_classes.source_stream = served.source_stream
left join {{ ref('int_source_counts') }} as source_counts
    on source_counts.source_system = served.source_system and source_counts.source_stream = served.source_stream
