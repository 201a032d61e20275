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
        run.as_of_date,
        -- relational: one answer per customer and cell, the latest; otherwise every answer counts
        case
            when responses.survey_type = 'relational' then coalesce(responses.customer_id, responses.response_id)
            else responses.response_id
        end as voter
    from {{ ref('int_kept_responses') }} as responses
    cross join {{ ref('stg_run') }} as run
),

first_day as (
    select min(responded_on) as responded_on from responses
),

in_periods as (
    {% for grain in ['day', 'week', 'month', 'quarter'] %}
        select
            *,
            '{{ grain }}' as grain,
            cast(date_trunc('{{ grain }}', responded_on) as date) as period_start
        from responses
        union all
    {% endfor %}
    {% for days in [30, 90, 365] %}
        select
            *,
            'rolling_{{ days }}d' as grain,
            cast(as_of_date - {{ days - 1 }} as date) as period_start
        from responses
        where responded_on between as_of_date - {{ days - 1 }} and as_of_date
        union all
    {% endfor %}
    select
        responses.*,
        'all_time' as grain,
        first_day.responded_on as period_start
    from responses
    cross join first_day
),

-- The latest answer of each voter in each output cell, so that a roll-up picks its own latest answer.
votes as (
    select
        grain,
        period_start,
        survey_type,
        case when grouping(channel) = 1 then 'all' else channel end as channel,
        case when grouping(touchpoint) = 1 then 'all' else touchpoint end as touchpoint,
        voter,
        {{ latest_by('nps_category', 'responded_at', 'response_id') }} as nps_category
    from in_periods
    group by grain, period_start, survey_type, voter, cube(channel, touchpoint)
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
