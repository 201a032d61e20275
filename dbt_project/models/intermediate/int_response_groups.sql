-- One row per usable response: the answer it is a copy of, the answer's stable id, and whether this copy is kept.
with edge_ends as (
    select
        node_a as record_key,
        rule,
        strength
    from {{ ref('int_duplicate_edges') }}
    union all
    select
        node_b as record_key,
        rule,
        strength
    from {{ ref('int_duplicate_edges') }}
),

strongest_rules as (
    select
        record_key,
        rule,
        row_number() over (partition by record_key order by strength) as rule_rank
    from edge_ends
),

copies as (
    select
        usable.source_system,
        usable.source_stream,
        usable.source_record_id,
        usable.first_landed_at,
        usable.customer_id,
        strongest_rules.rule,
        coalesce(components.component, usable.record_key) as component,
        places.place
    from {{ ref('int_usable_responses') }} as usable
    left join {{ ref('int_duplicate_components') }} as components on components.node = usable.record_key
    left join strongest_rules
        on
            strongest_rules.record_key = usable.record_key
            and strongest_rules.rule_rank = 1
    left join {{ ref('int_stream_places') }} as places
        on
            places.source_system = usable.source_system
            and places.source_stream = usable.source_stream
),

ranked as (
    select
        *,
        row_number() over (
            partition by component
            order by place, first_landed_at, source_system, source_stream, source_record_id
        ) as winning_rank,
        row_number() over (
            partition by component order by first_landed_at, source_system, source_stream, source_record_id
        ) as founding_rank
    from copies
),

-- The id comes from the founder, not from the winner, so it stays when the winner changes.
founders as (
    select
        component,
        {{ stable_id(["'response'", 'source_system', 'source_stream', 'source_record_id']) }} as response_id
    from ranked
    where founding_rank = 1
)

select
    ranked.source_system,
    ranked.source_stream,
    ranked.source_record_id,
    founders.response_id,
    ranked.customer_id,
    ranked.winning_rank = 1 as is_kept,
    ranked.rule
from ranked
inner join founders on founders.component = ranked.component
