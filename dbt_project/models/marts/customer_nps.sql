with ordered as (
    select
        customer_id,
        survey_type,
        score,
        nps_category,
        responded_at,
        count(*) over (partition by customer_id, survey_type) as responses,
        lead(score) over (
            partition by customer_id, survey_type order by responded_at desc, response_id desc
        ) as previous_score,
        row_number() over (
            partition by customer_id, survey_type order by responded_at desc, response_id desc
        ) as recency
    from {{ ref('fct_nps_responses') }}
    where customer_id is not null
)

select
    customer_id,
    survey_type,
    score,
    nps_category,
    responded_at,
    responses,
    previous_score,
    case
        when previous_score is null then null
        when score > previous_score then 'up'
        when score < previous_score then 'down'
        else 'same'
    end as trend
from ordered
where recency = 1
