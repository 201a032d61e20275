{{ parsed_once_per_load() }}

with parsed as (
    {{ parse_role('invitation', [
        'invited_at', 'person_stream', 'person_id', 'survey_id', 'is_link', 'response_stream'
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
    {{ utc_timestamp('invited_at') }} as invited_at,
    person_stream,
    person_id as person_record_id,
    survey_id as survey_record_id,
    coalesce({{ boolean_of('is_link') }}, false) as is_link,
    response_stream
from parsed
