-- One row per response record: its current content, and whether it is deleted, excluded, quarantined or usable.
with current_versions as (
    select
        source_system,
        source_stream,
        source_record_id,
        load_id,
        row_no,
        is_deleted,
        first_load_id,
        first_landed_at
    from {{ ref('int_response_versions') }}
    where is_current
),

-- A deleted record keeps the content of its last live version: identity and explanations need it.
content_versions as (
    select
        source_system,
        source_stream,
        source_record_id,
        load_id,
        row_no
    from {{ ref('int_response_versions') }}
    where has_content
),

contents as (
    select
        current_versions.source_system,
        current_versions.source_stream,
        current_versions.source_record_id,
        current_versions.load_id,
        current_versions.row_no,
        current_versions.is_deleted,
        current_versions.first_load_id,
        current_versions.first_landed_at,
        responses.extracted_at,
        responses.native_id,
        responses.native_id_scope,
        responses.score_text,
        responses.scale_min,
        responses.scale_max,
        responses.comment,
        responses.language,
        responses.responded_at,
        responses.responded_at_basis,
        responses.responded_at_unreadable,
        responses.invited_at,
        responses.survey_name,
        responses.survey_is_declared,
        responses.survey_type,
        responses.respondent_id,
        responses.email,
        responses.display_name,
        responses.excluded_reason,
        {{ nps_score("trim(responses.score_text)") }} as score,
        not_available.term is not null as score_is_not_available,
        coalesce(channels.channel, 'unknown') as channel,
        coalesce(touchpoints.touchpoint, 'unknown') as touchpoint
    from current_versions
    left join content_versions
        on
            content_versions.source_system = current_versions.source_system
            and content_versions.source_stream = current_versions.source_stream
            and content_versions.source_record_id = current_versions.source_record_id
    left join {{ ref('stg_responses') }} as responses
        on
            responses.source_system = content_versions.source_system
            and responses.source_stream = content_versions.source_stream
            and responses.load_id = content_versions.load_id
            and responses.row_no = content_versions.row_no
    left join {{ ref('channels') }} as channels on channels.term = {{ term('responses.channel') }}
    left join {{ ref('touchpoints') }} as touchpoints on touchpoints.term = {{ term('responses.touchpoint') }}
    left join {{ ref('not_available_terms') }} as not_available
        on not_available.term = lower(trim(responses.score_text))
),

judged as (
    select
        *,
        case
            when contents.is_deleted then null
            when contents.excluded_reason is not null then contents.excluded_reason
            when contents.scale_min <> 0 or contents.scale_max <> 10 then 'other_metric'
        end as exclusion,
        case
            when contents.score_text is null or trim(contents.score_text) = '' then 'score_blank'
            when contents.score_is_not_available then 'score_not_available'
            when contents.score is null then {{ refused_score_reason('trim(score_text)') }}
            when contents.responded_at_unreadable then 'responded_at_unreadable'
            when contents.responded_at is null then 'responded_at_missing'
            when contents.responded_at > contents.extracted_at + interval 1 day then 'responded_at_in_future'
            when contents.responded_at < contents.invited_at then 'responded_before_invited'
        end as defect
    from contents
)

select
    source_system,
    source_stream,
    source_record_id,
    load_id,
    row_no,
    case
        when is_deleted then 'deleted'
        when exclusion is not null then 'excluded'
        when defect is not null then 'quarantined'
        else 'usable'
    end as state,
    case when not is_deleted then coalesce(exclusion, defect) end as reason,
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
    responded_at,
    responded_at_basis,
    invited_at,
    coalesce(nullif(trim(survey_name), ''), source_stream) as survey_name,
    case
        when survey_is_declared then {{ stable_id(["'survey'", "'declared'", "trim(survey_name)"]) }}
        else
            {{ stable_id([
                "'survey'", 'source_system', 'source_stream', "coalesce(nullif(trim(survey_name), ''), source_stream)"
            ]) }}
    end as survey_id,
    case
        when lower(trim(survey_type)) in ('relational', 'transactional') then lower(trim(survey_type))
        else 'unclassified'
    end as survey_type,
    channel,
    touchpoint,
    respondent_id,
    email,
    display_name
from judged
