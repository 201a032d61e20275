-- One row per record of every stream: its current version, and the row that carries its content.
with versions as (
    select * from {{ ref('int_record_versions') }}
),

-- A deleted record keeps the content of its last live version: identity and explanations need it.
contents as (
    select
        source_system,
        source_stream,
        source_record_id,
        load_id,
        row_no
    from versions
    where has_content
)

select
    versions.source_system,
    versions.source_stream,
    versions.source_record_id,
    versions.role,
    versions.load_id,
    versions.row_no,
    versions.source_version,
    versions.is_deleted,
    versions.first_load_id,
    versions.first_landed_at,
    contents.load_id as content_load_id,
    contents.row_no as content_row_no
from versions
left join contents
    on
        contents.source_system = versions.source_system
        and contents.source_stream = versions.source_stream
        and contents.source_record_id = versions.source_record_id
where versions.is_current
