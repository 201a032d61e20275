select
    name,
    position
from {{ source('raw', 'source_order') }}
