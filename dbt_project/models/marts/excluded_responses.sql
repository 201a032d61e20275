select
    source_system,
    source_stream,
    source_record_id,
    load_id,
    reason
from {{ ref('int_responses') }}
where state = 'excluded'
