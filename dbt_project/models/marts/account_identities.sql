select
    account_id,
    source_system,
    source_stream,
    source_record_id,
    rule,
    evidence
from {{ ref('int_account_identities') }}
