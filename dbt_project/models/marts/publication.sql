-- What this publication is made from. Equal fingerprints mean equal contract tables.
{% set mapped_columns = [
    'source_system', 'source_stream', 'source_record_id', 'state', 'reason', 'native_id', 'native_id_scope',
    'score_text', 'scale_min', 'scale_max', 'comment', 'language', 'responded_at', 'responded_at_basis', 'invited_at',
    'survey_name', 'survey_id', 'survey_type', 'channel', 'touchpoint', 'respondent_id', 'email', 'display_name'
] %}
{% set counted_tables = [
    'fct_nps_responses', 'dim_customers', 'dim_surveys', 'customer_identities', 'customer_nps', 'nps_by_period',
    'duplicate_responses', 'quarantined_responses', 'excluded_responses', 'loads', 'conservation'
] %}
with content as (
    select
        {{ content_digest(ref('int_responses'), mapped_columns) }} as mapped_digest,
        {{ content_digest(ref('fct_nps_responses'), ['response_id', 'customer_id', 'source_record_id']) }} as id_digest
),

input_loads as (
    select
        {{ json_list('load_id', 'load_id') }} as load_ids
    from {{ ref('stg_loads') }}
),

row_counts as (
    {% for table in counted_tables %}
        select
            '{{ table }}' as table_name,
            count(*) as row_count
        from {{ ref(table) }}
        {% if not loop.last %} union all {% endif %}
    {% endfor %}
)

select
    run.publication_id,
    run.published_at,
    run.as_of_date,
    run.timezone,
    run.min_n,
    {{ digest_of(['run.code_hash', 'run.configuration_hash', 'cast(run.as_of_date as varchar)', 'content.mapped_digest',
        'content.id_digest']) }}
        as fingerprint,
    input_loads.load_ids as input_loads,
    (select {{ json_map('table_name', 'row_count') }} from row_counts) as row_counts
from {{ ref('stg_run') }} as run
cross join input_loads
cross join content
