-- When the score of a record without a date of its own was first seen: when the source says that it was filled, else
-- the time of the earliest landed version that has one; and when that version was landed.
with filled as (
    select
        responses.source_system,
        responses.source_stream,
        responses.source_record_id,
        responses.source_version,
        loads.started_at,
        row_number() over (
            partition by responses.source_system, responses.source_stream, responses.source_record_id
            order by loads.started_at, responses.load_seq, responses.row_no
        ) as place
    from {{ ref('stg_responses') }} as responses
    inner join {{ ref('stg_loads') }} as loads on loads.load_id = responses.load_id
    where
        responses.responded_at_basis = 'first_seen'
        and trim(responses.score_text) <> ''
        and not responses.is_deleted
        and not loads.is_replaced
)

select
    filled.source_system,
    filled.source_stream,
    filled.source_record_id,
    coalesce(changes.filled_at, filled.source_version) as responded_at,
    filled.started_at as landed_at
from filled
left join {{ ref('int_zendesk_score_changes') }} as changes
    on
        changes.source_system = filled.source_system
        and changes.source_stream = filled.source_stream
        and changes.source_record_id = filled.source_record_id
where filled.place = 1
