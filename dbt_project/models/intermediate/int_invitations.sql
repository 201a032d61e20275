-- One row per live invitation record: its survey as its answers have it, and whether somebody answered.
with invitations as (
    select
        records.source_system,
        records.source_stream,
        records.source_record_id,
        invitations.person_stream,
        invitations.person_record_id,
        invitations.invited_at,
        invitations.is_link,
        invitations.response_stream,
        {{ comparable_id('records.source_system', 'records.source_record_id') }} as invitation_id,
        {{ comparable_id('records.source_system', 'invitations.survey_record_id') }} as survey_record_id
    from {{ ref('int_records') }} as records
    inner join {{ ref('stg_invitations') }} as invitations
        on
            invitations.load_id = records.content_load_id
            and invitations.row_no = records.content_row_no
    where records.role = 'invitation' and not records.is_deleted
),

survey_names as (
    select
        source_system,
        {{ comparable_id('source_system', 'source_record_id') }} as survey_record_id,
        min(trim(name)) as survey_name
    from {{ ref('int_references') }}
    where trim(name) <> ''
    group by source_system, {{ comparable_id('source_system', 'source_record_id') }}
),

-- What the person answered counts as completed whatever it is worth; a partial answer is excluded and does not.
answers as (
    select
        source_system,
        source_stream as response_stream,
        source_record_id as response_record_id,
        {{ comparable_id('source_system', 'invitation_id') }} as invitation_id,
        row_number() over (
            partition by source_system, source_stream, {{ comparable_id('source_system', 'invitation_id') }}
            order by case when state = 'usable' then 1 else 2 end, responded_at desc nulls last, source_record_id desc
        ) as place
    from {{ ref('int_responses') }}
    where state in ('usable', 'quarantined') and invitation_id is not null
),

-- A source may also say so itself, of a person who skipped the NPS question or was never asked it.
completed as (
    select distinct
        source_system,
        {{ comparable_id('source_system', 'invitation_record_id') }} as invitation_id
    from {{ ref('int_references') }}
    where lower(trim(status)) = 'completed' and invitation_record_id is not null and not is_deleted
),

-- Surveys that were answered, but never with an NPS score.
other_surveys as (
    select survey_id
    from {{ ref('int_responses') }}
    where state <> 'deleted'
    group by survey_id
    having count(*) = count(*) filter (where reason in ('not_nps', 'other_metric'))
),

named as (
    select
        invitations.*,
        coalesce(survey_names.survey_name, invitations.response_stream) as name_in_source
    from invitations
    left join survey_names
        on
            survey_names.source_system = invitations.source_system
            and survey_names.survey_record_id = invitations.survey_record_id
),

-- What nps.yaml declares of the survey, as int_responses takes it for the answers.
surveyed as (
    select
        named.*,
        surveys.survey_type,
        surveys.channel,
        surveys.touchpoint,
        coalesce(surveys.survey, named.name_in_source) as survey,
        case
            when surveys.survey is not null then {{ stable_id(["'survey'", "'declared'", 'surveys.survey']) }}
            else
                {{ stable_id([
                    "'survey'", 'named.source_system', 'named.response_stream', 'named.name_in_source'
                ]) }}
        end as survey_id
    from named
    left join {{ ref('stg_surveys') }} as surveys on surveys.name = lower(named.name_in_source)
)

select
    surveyed.source_system,
    surveyed.source_stream,
    surveyed.source_record_id,
    surveyed.person_stream,
    surveyed.person_record_id,
    surveyed.survey as survey_name,
    surveyed.survey_id,
    coalesce(surveyed.survey_type, 'unclassified') as survey_type,
    coalesce(surveyed.channel, 'unknown') as channel,
    coalesce(surveyed.touchpoint, 'unknown') as touchpoint,
    surveyed.invited_at,
    surveyed.is_link,
    other_surveys.survey_id is null as asks_nps,
    surveyed.response_stream,
    case when not surveyed.is_link then answers.response_record_id end as response_record_id,
    -- Nobody can say which of its many users a link was meant for.
    case
        when not surveyed.is_link then answers.response_record_id is not null or completed.invitation_id is not null
    end as responded
from surveyed
left join answers
    on
        answers.source_system = surveyed.source_system
        and answers.response_stream = surveyed.response_stream
        and answers.invitation_id = surveyed.invitation_id
        and answers.place = 1
left join completed
    on
        completed.source_system = surveyed.source_system
        and completed.invitation_id = surveyed.invitation_id
left join other_surveys on other_surveys.survey_id = surveyed.survey_id
