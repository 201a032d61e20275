select
    destination,
    object,
    source_stream,
    survey_type,
    touchpoint,
    value,
    field,
    kind,
    promoter,
    passive,
    detractor
from {{ source('raw', 'sync_fields') }}
