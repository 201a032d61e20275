select
    lower(trim(surveys.name)) as name,
    trim(surveys.survey) as survey,
    surveys.survey_type,
    channels.channel,
    touchpoints.touchpoint
from {{ source('raw', 'surveys') }} as surveys
left join {{ ref('channels') }} as channels on channels.term = {{ term('surveys.channel') }}
left join {{ ref('touchpoints') }} as touchpoints on touchpoints.term = {{ term('surveys.touchpoint') }}
