with responses as (
    select * from {{ ref('int_kept_responses') }}
)

select
    response_id,
    source_system,
    source_stream,
    source_record_id,
    customer_id,
    account_id,
    survey_id,
    survey_type,
    channel,
    touchpoint,
    score,
    nps_category,
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
