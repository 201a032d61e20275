-- One row per response record: its current content, and whether it is deleted, excluded, quarantined or usable.
{% set detailed_fields = [
    'comment', 'language', 'responded_at', 'responded_at_unreadable', 'invited_at', 'survey_name', 'person_stream',
    'person_record_id', 'account_stream', 'account_record_id', 'invitation_id'
] %}
with contents as (
    select
        records.source_system,
        records.source_stream,
        records.source_record_id,
        records.load_id,
        records.row_no,
        records.first_load_id,
        records.is_deleted or coalesce(details.is_deleted, false) as is_deleted,
        -- A ticket is an answer from the moment on that it has a score.
        coalesce(first_seen.landed_at, records.first_landed_at) as first_landed_at,
        responses.extracted_at,
        responses.native_id,
        responses.native_id_scope,
        responses.score_text,
        responses.scale_min,
        responses.scale_max,
        responses.responded_at_basis,
        responses.survey_is_declared,
        responses.survey_type,
        responses.channel,
        responses.touchpoint,
        responses.respondent_id,
        responses.email,
        responses.email_key,
        responses.display_name,
        responses.metric,
        responses.without_score_reason,
        -- A vendor's details replace what the record itself says.
        {% for field in detailed_fields %}
            case
                when details.source_record_id is null then responses.{{ field }} else details.{{ field }}
            end as {{ field }},
        {% endfor %}
        details.quarantined_reason,
        coalesce(responses.excluded_reason, details.excluded_reason) as excluded_reason,
        first_seen.responded_at as first_seen_at
    from {{ ref('int_records') }} as records
    left join {{ ref('stg_responses') }} as responses
        on
            responses.load_id = records.content_load_id
            and responses.row_no = records.content_row_no
    left join {{ ref('int_response_details') }} as details
        on
            details.source_system = records.source_system
            and details.source_stream = records.source_stream
            and details.source_record_id = records.source_record_id
    left join {{ ref('int_first_seen') }} as first_seen
        on
            first_seen.source_system = records.source_system
            and first_seen.source_stream = records.source_stream
            and first_seen.source_record_id = records.source_record_id
    where records.role = 'response'
),

prepared as (
    select
        *,
        case when responded_at_basis = 'first_seen' then first_seen_at else responded_at end as answered_at,
        {{ nps_score("trim(score_text)") }} as score,
        coalesce(trim(score_text), '') = '' as score_is_blank,
        coalesce(nullif(trim(survey_name), ''), source_stream) as name_in_source,
        case
            when lower(trim(survey_type)) in ('relational', 'transactional') then lower(trim(survey_type))
        end as type_in_source,
        lower(trim(metric)) as metric_name
    from contents
),

-- What the source leaves open is taken from the survey that nps.yaml declares.
described as (
    select
        prepared.*,
        not_available.term is not null as score_is_not_available,
        coalesce(surveys.survey, prepared.name_in_source) as survey,
        prepared.survey_is_declared or surveys.survey is not null as is_declared,
        coalesce(prepared.type_in_source, surveys.survey_type, 'unclassified') as declared_type,
        coalesce(nullif(channels.channel, 'unknown'), surveys.channel, 'unknown') as standard_channel,
        coalesce(nullif(touchpoints.touchpoint, 'unknown'), surveys.touchpoint, 'unknown') as standard_touchpoint
    from prepared
    left join {{ ref('stg_surveys') }} as surveys on surveys.name = lower(prepared.name_in_source)
    left join {{ ref('channels') }} as channels on channels.term = {{ term('prepared.channel') }}
    left join {{ ref('touchpoints') }} as touchpoints on touchpoints.term = {{ term('prepared.touchpoint') }}
    left join {{ ref('not_available_terms') }} as not_available
        on not_available.term = lower(trim(prepared.score_text))
),

judged as (
    select
        *,
        case
            when excluded_reason is not null then excluded_reason
            when metric_name = 'none' then 'not_nps'
            when metric_name <> 'nps' then 'other_metric'
            when scale_min <> 0 or scale_max <> 10 then 'other_metric'
        end as exclusion,
        case when score_is_blank then without_score_reason end as blank_exclusion,
        case
            when quarantined_reason is not null then quarantined_reason
            when score_is_blank then 'score_blank'
            when score_is_not_available then 'score_not_available'
            when score is null then {{ refused_score_reason('trim(score_text)') }}
            when responded_at_unreadable then 'responded_at_unreadable'
            when answered_at is null then 'responded_at_missing'
            when answered_at > extracted_at + interval '1 day' then 'responded_at_in_future'
            when answered_at < invited_at then 'responded_before_invited'
        end as defect
    from described
)

select
    source_system,
    source_stream,
    source_record_id,
    load_id,
    row_no,
    case
        when is_deleted then 'deleted'
        when coalesce(exclusion, blank_exclusion) is not null then 'excluded'
        when defect is not null then 'quarantined'
        else 'usable'
    end as state,
    case when not is_deleted then coalesce(exclusion, blank_exclusion, defect) end as reason,
    -- Not the state: what a record tells of a person must not come and go with a delete or an emptied score.
    coalesce(exclusion, 'partial') = 'partial' and (blank_exclusion is null or first_seen_at is not null) as is_answer,
    first_load_id,
    first_landed_at,
    native_id,
    native_id_scope,
    score_text,
    score,
    scale_min,
    scale_max,
    comment,
    language,
    answered_at as responded_at,
    responded_at_basis,
    invited_at,
    survey as survey_name,
    case
        when is_declared then {{ stable_id(["'survey'", "'declared'", "survey"]) }}
        else {{ stable_id(["'survey'", 'source_system', 'source_stream', "survey"]) }}
    end as survey_id,
    declared_type as survey_type,
    standard_channel as channel,
    standard_touchpoint as touchpoint,
    respondent_id,
    email,
    email_key,
    display_name,
    person_stream,
    person_record_id,
    account_stream,
    account_record_id,
    invitation_id
from judged
