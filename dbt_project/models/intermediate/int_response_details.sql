-- What stands in other records than the response itself. A vendor that needs joins adds its model here, and only here.
select
    source_system,
    source_stream,
    source_record_id,
    is_deleted,
    excluded_reason,
    quarantined_reason,
    comment,
    language,
    responded_at,
    responded_at_unreadable,
    invited_at,
    survey_name,
    person_stream,
    person_record_id,
    account_stream,
    account_record_id,
    invitation_id
from {{ ref('int_salesforce_survey_answers') }}
