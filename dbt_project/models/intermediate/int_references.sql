-- One row per record that other records point to, such as the questions of a survey; also when it is deleted by now.
select
    records.source_system,
    records.source_stream,
    records.source_record_id,
    records.is_deleted,
    reference_rows.name,
    reference_rows.kind,
    reference_rows.status,
    reference_rows.completed_at,
    reference_rows.completed_at_unreadable,
    reference_rows.language,
    reference_rows.person_stream,
    reference_rows.person_record_id,
    reference_rows.invitation_record_id,
    reference_rows.survey_record_id,
    reference_rows.parent_record_id,
    reference_rows.subject_record_id
from {{ ref('int_records') }} as records
inner join {{ ref('stg_references') }} as reference_rows
    on
        reference_rows.load_id = records.content_load_id
        and reference_rows.row_no = records.content_row_no
where records.role = 'reference'
