{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{% if is_incremental() %}
        delete from {{ this }} as parsed
        where not exists (
            select 1 from {{ source('raw', 'loads') }} as loads
            where loads.load_id = parsed.load_id and loads.fields_hash = parsed.fields_hash
        )
    {% endif %}"
) }}

-- Each load is parsed once: a load that left the pinned list, or whose declaration changed, was deleted above.
with loads_to_parse as (
    select
        load_id,
        fields_hash
    from {{ ref('stg_loads') }}
    where
        role = 'response'
    {% if is_incremental() %}
        and load_id not in (select parsed.load_id from {{ this }} as parsed)
        {% endif %}
),

records as (
    select
        records.*,
        loads_to_parse.fields_hash
    from {{ source('raw', 'records') }} as records
    inner join loads_to_parse on loads_to_parse.load_id = records.load_id
),

parsed as (
    {{ parse_streams('records', 'response', [
        'response_id', 'response_id_scope', 'score', 'scale_min', 'scale_max', 'comment', 'language', 'responded_at',
        'responded_at_basis', 'responded_at_unreadable', 'invited_at', 'survey', 'survey_is_declared', 'survey_type',
        'channel', 'touchpoint', 'respondent_id', 'email', 'display_name', 'excluded'
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
    response_id as native_id,
    response_id_scope as native_id_scope,
    score as score_text,
    cast(scale_min as integer) as scale_min,
    cast(scale_max as integer) as scale_max,
    comment,
    language,
    cast(responded_at as timestamp) as responded_at,
    responded_at_basis,
    coalesce(cast(responded_at_unreadable as boolean), false) as responded_at_unreadable,
    cast(invited_at as timestamp) as invited_at,
    survey as survey_name,
    coalesce(cast(survey_is_declared as boolean), false) as survey_is_declared,
    survey_type,
    channel,
    touchpoint,
    respondent_id,
    email,
    display_name,
    excluded as excluded_reason
from parsed
