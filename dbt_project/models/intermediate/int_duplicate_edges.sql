-- Pairs of usable responses that are one answer, from different streams. Add a rule as one more select.
with usable as (
    select * from {{ ref('int_usable_responses') }}
),

same_native_id as (
    select
        one.record_key as node_a,
        other.record_key as node_b,
        'native_id' as rule,
        1 as strength
    from usable as one
    inner join usable as other
        on
            other.native_id = one.native_id
            and other.native_id_scope = one.native_id_scope
            and (other.source_system <> one.source_system or other.source_stream <> one.source_stream)
            and other.record_key > one.record_key
    -- An anonymous answer is never matched across sources.
    where one.source_system = other.source_system or one.customer_id = other.customer_id
),

alike as (
    select
        one.record_key as node_a,
        other.record_key as node_b,
        one.source_system as system_a,
        one.source_stream as stream_a,
        other.source_system as system_b,
        other.source_stream as stream_b,
        {{ seconds_apart('one.responded_at', 'other.responded_at') }} as seconds
    from usable as one
    inner join usable as other
        on
            other.customer_id = one.customer_id
            and other.survey_id = one.survey_id
            and other.score = one.score
            and other.folded_comment = one.folded_comment
            and (other.source_system <> one.source_system or other.source_stream <> one.source_stream)
            and other.record_key > one.record_key
    where {{ seconds_apart('one.responded_at', 'other.responded_at') }} <= 120
),

-- Each record pairs with its nearest in another stream only, or a chain would swallow a second answer of one stream.
nearest as (
    select
        node_a,
        node_b,
        row_number() over (partition by node_a, system_b, stream_b order by seconds, node_b) as nearness_to_a,
        row_number() over (partition by node_b, system_a, stream_a order by seconds, node_a) as nearness_to_b
    from alike
),

same_answer as (
    select
        node_a,
        node_b,
        'same_answer' as rule,
        2 as strength
    from nearest
    where nearness_to_a = 1 and nearness_to_b = 1
),

unioned as (
    select * from same_native_id
    union all
    select * from same_answer
)

select
    node_a,
    node_b,
    rule,
    strength
from unioned
