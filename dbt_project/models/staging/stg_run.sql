select
    publication_id,
    published_at,
    as_of_date,
    timezone,
    min_n,
    shrink_floor,
    people_per_address,
    keys_per_customer,
    default_country,
    code_hash,
    configuration_hash
from {{ source('raw', 'run') }}
