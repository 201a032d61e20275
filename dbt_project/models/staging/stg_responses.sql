{{ parsed_once_per_load() }}

with parsed as (
    {{ parse_role('response', [
        'response_id', 'response_id_scope', 'score', 'scale_min', 'scale_max', 'comment', 'language', 'responded_at',
        'responded_at_basis', 'responded_at_unreadable', 'invited_at', 'survey', 'survey_is_declared', 'survey_type',
        'channel', 'touchpoint', 'respondent_id', 'email', 'display_name', 'excluded', 'metric', 'without_score',
        'person_stream', 'person_id', 'account_stream', 'account_id', 'invitation_id', 'question_id', 'answer_id'
    ]) }}
)

select
    source_system,
    source_stream,
    record_id as source_record_id,
    load_id,
    load_seq,
    row_no,
    source_version,
    is_deleted,
    extracted_at,
    fields_hash,
    response_id as native_id,
    response_id_scope as native_id_scope,
    score as score_text,
    {{ integer_of('scale_min') }} as scale_min,
    {{ integer_of('scale_max') }} as scale_max,
    comment,
    language,
    {{ utc_timestamp('responded_at') }} as responded_at,
    responded_at_basis,
    coalesce({{ boolean_of('responded_at_unreadable') }}, false)
    or coalesce(trim(responded_at) <> '' and {{ utc_timestamp('responded_at') }} is null, false)
        as responded_at_unreadable,
    {{ utc_timestamp('invited_at') }} as invited_at,
    survey as survey_name,
    coalesce({{ boolean_of('survey_is_declared') }}, false) as survey_is_declared,
    survey_type,
    channel,
    touchpoint,
    respondent_id,
    email,
    {{ email_key('email') }} as email_key,
    display_name,
    excluded as excluded_reason,
    metric,
    without_score as without_score_reason,
    person_stream,
    person_id as person_record_id,
    account_stream,
    account_id as account_record_id,
    invitation_id,
    question_id,
    answer_id
from parsed
