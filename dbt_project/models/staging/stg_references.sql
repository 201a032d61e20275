{{ parsed_once_per_load() }}

with parsed as (
    {{ parse_role('reference', [
        'name', 'kind', 'status', 'completed_at', 'language', 'person_stream', 'person_id', 'invitation_id',
        'survey_id', 'parent_id', 'subject_id'
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
    name,
    kind,
    status,
    {{ utc_timestamp('completed_at') }} as completed_at,
    trim(completed_at) <> '' and {{ utc_timestamp('completed_at') }} is null as completed_at_unreadable,
    language,
    person_stream,
    person_id as person_record_id,
    invitation_id as invitation_record_id,
    survey_id as survey_record_id,
    parent_id as parent_record_id,
    subject_id as subject_record_id
from parsed
