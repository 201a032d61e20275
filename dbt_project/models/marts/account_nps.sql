-- From the distribution of the account's answers, never from an average of scores or of its customers' NPS.
with votes as (
    select
        responses.account_id,
        responses.survey_type,
        {{ voter('responses') }} as voter,
        {{ latest_by('responses.nps_category', 'responses.responded_at', 'responses.response_id') }} as nps_category
    from {{ ref('fct_nps_responses') }} as responses
    where responses.account_id is not null
    group by responses.account_id, responses.survey_type, {{ voter('responses') }}
),

counted as (
    select
        account_id,
        survey_type,
        count(*) as responses,
        count(*) filter (where nps_category = 'promoter') as promoters,
        count(*) filter (where nps_category = 'passive') as passives,
        count(*) filter (where nps_category = 'detractor') as detractors
    from votes
    group by account_id, survey_type
),

scored as (
    select
        counted.*,
        counted.responses >= run.min_n as has_minimum,
        {{ nps('promoters', 'detractors', 'responses') }} as nps,
        {{ nps_interval('-', 'promoters', 'detractors', 'responses') }} as nps_low,
        {{ nps_interval('+', 'promoters', 'detractors', 'responses') }} as nps_high
    from counted
    cross join {{ ref('stg_run') }} as run
)

select
    account_id,
    survey_type,
    case when has_minimum then nps end as nps,
    responses,
    promoters,
    passives,
    detractors,
    case when has_minimum then nps_low end as nps_low,
    case when has_minimum then nps_high end as nps_high,
    case when not has_minimum then 'below_minimum' end as score_reason,
    detractors > 0 as has_detractor
from scored
