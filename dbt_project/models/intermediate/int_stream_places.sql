-- Which stream is preferred where several say something about the same thing; those not named in nps.yaml come last.
with streams as (
    select distinct
        source_system,
        source_stream
    from {{ ref('stg_loads') }}
),

last_place as (
    select count(*) as place from {{ ref('stg_source_order') }}
)

select
    streams.source_system,
    streams.source_stream,
    coalesce(stream_order.position, source_order.position, last_place.place) as place
from streams
cross join last_place
left join {{ ref('stg_source_order') }} as source_order on source_order.name = streams.source_system
left join {{ ref('stg_source_order') }} as stream_order
    on stream_order.name = concat(streams.source_system, '.', streams.source_stream)
