-- One row per record that can be told apart: its customer, by which rule, on what evidence.
with strongest_keys as (
    select
        source_system,
        source_stream,
        source_record_id,
        first_landed_at,
        record_key,
        rule,
        evidence,
        row_number() over (partition by record_key order by strength, evidence) as key_rank
    from {{ ref('int_identity_keys') }}
),

members as (
    select
        strongest_keys.source_system,
        strongest_keys.source_stream,
        strongest_keys.source_record_id,
        strongest_keys.first_landed_at,
        strongest_keys.rule,
        strongest_keys.evidence,
        components.component
    from strongest_keys
    inner join {{ ref('int_identity_components') }} as components on components.node = strongest_keys.record_key
    where strongest_keys.key_rank = 1
),

-- The earliest-landed record founds the customer and lends it its id.
founders as (
    select
        component,
        {{ stable_id(["'customer'", 'source_system', 'source_stream', 'source_record_id']) }} as customer_id
    from (
        select
            *,
            row_number() over (
                partition by members.component
                order by members.first_landed_at, members.source_system, members.source_stream, members.source_record_id
            ) as founding_rank
        from members
    ) as ranked
    where founding_rank = 1
)

select
    members.source_system,
    members.source_stream,
    members.source_record_id,
    founders.customer_id,
    members.rule,
    members.evidence,
    members.first_landed_at
from members
inner join founders on founders.component = members.component
