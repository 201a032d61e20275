{{ parsed_once_per_load() }}

with parsed as (
    {{ parse_role('account', [
        'name', 'domain', 'website', 'country', 'segment', 'owner', 'cross_reference', 'cross_reference_to',
        'merged_ids', 'merged_into'
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
    domain,
    website,
    country,
    segment,
    owner,
    cross_reference,
    cross_reference_to,
    merged_ids,
    merged_into
from parsed
