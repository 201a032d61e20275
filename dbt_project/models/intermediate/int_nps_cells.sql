-- Votes per grain, period, survey type, channel and touchpoint, with roll-up rows 'all'; survey types are never pooled.
with responses as (
    select
        responses.response_id,
        responses.survey_type,
        responses.channel,
        responses.touchpoint,
        responses.nps_category,
        responses.responded_at,
        {{ local_date('responses.responded_at', 'run.timezone') }} as responded_on,
        {{ voter('responses') }} as voter
    from {{ ref('int_kept_responses') }} as responses
    cross join {{ ref('stg_run') }} as run
),

-- The latest answer of each voter in each output cell, so that a roll-up picks its own latest answer.
votes as (
    select
        periods.grain,
        periods.period_start,
        responses.survey_type,
        case when grouping(responses.channel) = 1 then 'all' else responses.channel end as channel,
        case when grouping(responses.touchpoint) = 1 then 'all' else responses.touchpoint end as touchpoint,
        responses.voter,
        {{ latest_by('responses.nps_category', 'responses.responded_at', 'responses.response_id') }} as nps_category
    from responses
    inner join {{ ref('int_periods') }} as periods on periods.local_day = responses.responded_on
    group by
        periods.grain,
        periods.period_start,
        responses.survey_type,
        responses.voter,
        cube(responses.channel, responses.touchpoint)
)

select
    grain,
    period_start,
    survey_type,
    channel,
    touchpoint,
    count(*) as responses,
    count(*) filter (where nps_category = 'promoter') as promoters,
    count(*) filter (where nps_category = 'passive') as passives,
    count(*) filter (where nps_category = 'detractor') as detractors
from votes
group by grain, period_start, survey_type, channel, touchpoint
