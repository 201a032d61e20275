-- What this publication is made from. Equal fingerprints mean equal content; equal content has an equal hash.
{% set mapped_columns = {
    'int_responses': [
        'source_system', 'source_stream', 'source_record_id', 'state', 'reason', 'native_id', 'native_id_scope',
        'score_text', 'scale_min', 'scale_max', 'comment', 'language', 'responded_at', 'responded_at_basis',
        'invited_at', 'survey_name', 'survey_id', 'survey_type', 'channel', 'touchpoint', 'respondent_id', 'email',
        'email_key', 'display_name', 'account_stream', 'account_record_id', 'person_stream', 'person_record_id', 'invitation_id'
    ],
    'int_people': [
        'source_system', 'source_stream', 'source_record_id', 'is_deleted', 'email', 'email_key', 'display_name',
        'name_key', 'phone', 'mobile_phone', 'country', 'account_stream', 'account_record_id', 'cross_reference',
        'cross_reference_to', 'is_staff'
    ],
    'int_account_records': [
        'source_system', 'source_stream', 'source_record_id', 'is_deleted', 'name', 'domain', 'country', 'segment', 'owner',
        'cross_reference', 'cross_reference_to'
    ],
    'int_merges': ['source_system', 'source_stream', 'source_record_id', 'other_record_id'],
    'int_invitations': [
        'source_system', 'source_stream', 'source_record_id', 'person_stream', 'person_record_id', 'survey_id',
        'survey_type', 'channel', 'touchpoint', 'invited_at', 'is_link', 'asks_nps', 'response_stream',
        'response_record_id', 'responded'
    ],
    'sync_observed': ['destination', 'object', 'record_id', 'field', 'observed', 'observed_at']
} %}
{% set content_tables = [
    'fct_nps_responses', 'fct_invitations', 'dim_customers', 'dim_accounts', 'dim_surveys', 'customer_identities',
    'identity_edges', 'account_identities', 'customer_nps', 'account_nps', 'nps_by_period', 'duplicate_responses',
    'quarantined_responses', 'excluded_responses', 'sync_wanted'
] %}
{% set counted_tables = content_tables + ['customer_id_history', 'loads', 'conservation', 'sync_observed'] %}
with mapped_digests as (
    {% for relation, columns in mapped_columns.items() %}
        select
            '{{ relation }}' as relation,
            {{ content_digest(ref(relation), columns) }} as digest
        {% if not loop.last %} union all {% endif %}
    {% endfor %}
),

content_digests as (
    {% for relation in content_tables %}
        select
            '{{ relation }}' as relation,
            {{ content_digest(ref(relation), contract_columns(relation)) }} as digest
        {% if not loop.last %} union all {% endif %}
    {% endfor %}
),

hashed as (
    select
        (select {{ digest_of([json_list('digest', 'relation')]) }} from mapped_digests) as mapped_hash,
        (select {{ digest_of([json_list('digest', 'relation')]) }} from content_digests) as content_hash
),

input_loads as (
    select
        {{ json_list('load_id', 'load_id') }} as load_ids
    from {{ ref('stg_loads') }}
),

row_counts as (
    {% for relation in counted_tables %}
        select
            '{{ relation }}' as relation,
            count(*) as row_count
        from {{ ref(relation) }}
        {% if not loop.last %} union all {% endif %}
    {% endfor %}
)

select
    run.publication_id,
    run.published_at,
    run.as_of_date,
    run.timezone,
    run.min_n,
    run.shrink_floor,
    {{ digest_of(['run.code_hash', 'run.configuration_hash', 'cast(run.as_of_date as varchar)', 'hashed.mapped_hash',
        'hashed.content_hash']) }}
        as fingerprint,
    hashed.content_hash,
    input_loads.load_ids as input_loads,
    (select {{ json_map('relation', 'row_count') }} from row_counts) as row_counts
from {{ ref('stg_run') }} as run
cross join input_loads
cross join hashed
