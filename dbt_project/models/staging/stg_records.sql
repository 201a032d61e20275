-- A view: the landed rows stay where they are, without their payload.
{{ config(materialized='view') }}

select
    source_system,
    source_stream,
    record_id as source_record_id,
    load_id,
    load_seq,
    row_no,
    source_version,
    is_deleted,
    extracted_at
from {{ source('raw', 'records') }}
