with kept as (
    select
        source_system,
        source_stream,
        source_record_id,
        response_id,
        customer_id
    from {{ ref('int_response_groups') }}
    where is_kept
),

responses as (
    select
        kept.response_id,
        kept.source_system,
        kept.source_stream,
        kept.source_record_id,
        kept.customer_id,
        responses.survey_id,
        responses.survey_type,
        responses.channel,
        responses.touchpoint,
        responses.score,
        responses.comment,
        responses.language,
        responses.responded_at,
        responses.responded_at_basis,
        responses.invited_at,
        responses.first_load_id
    from kept
    inner join {{ ref('int_responses') }} as responses
        on
            responses.source_system = kept.source_system
            and responses.source_stream = kept.source_stream
            and responses.source_record_id = kept.source_record_id
)

select
    response_id,
    source_system,
    source_stream,
    source_record_id,
    customer_id,
    cast(null as varchar) as account_id, -- no source serves accounts yet
    survey_id,
    survey_type,
    channel,
    touchpoint,
    score,
    {{ nps_category('score') }} as nps_category,
    comment,
    language,
    responded_at,
    responded_at_basis,
    invited_at,
    customer_id is null
    or row_number() over (partition by customer_id, survey_type order by responded_at desc, response_id desc) = 1
        as is_latest_for_customer,
    first_load_id
from responses
