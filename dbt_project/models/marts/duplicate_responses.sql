select
    source_system,
    source_stream,
    source_record_id,
    response_id,
    rule
from {{ ref('int_response_groups') }}
where not is_kept
