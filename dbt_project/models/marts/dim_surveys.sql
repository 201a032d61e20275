-- Surveys with at least one usable answer. What differs between a survey's answers is 'mixed', never picked.
with responses as (
    select
        survey_id,
        source_system,
        survey_name,
        survey_type,
        channel,
        touchpoint
    from {{ ref('int_responses') }}
    where state = 'usable'
)

select
    survey_id,
    case when min(source_system) = max(source_system) then min(source_system) else 'mixed' end as source_system,
    min(survey_name) as name,
    case when min(survey_type) = max(survey_type) then min(survey_type) else 'mixed' end as survey_type,
    case when min(channel) = max(channel) then min(channel) else 'mixed' end as channel,
    case when min(touchpoint) = max(touchpoint) then min(touchpoint) else 'mixed' end as touchpoint,
    0 as scale_min, -- any other scale is another metric and was excluded
    10 as scale_max
from responses
group by survey_id
