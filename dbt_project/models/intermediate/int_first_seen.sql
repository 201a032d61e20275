-- When the score of a record without a date of its own was first seen: the source's time of the earliest landed version
-- that has one, and when that version was landed.
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
    source_system,
    source_stream,
    source_record_id,
    source_version as responded_at,
    started_at as landed_at
from filled
where place = 1
