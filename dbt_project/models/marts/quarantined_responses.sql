select
    source_system,
    source_stream,
    source_record_id,
    load_id,
    reason,
    case
        -- a short number identifies nobody and shows at a glance what is wrong
        when
            reason in ('score_not_whole', 'score_out_of_scale')
            and {{ matches('trim(score_text)', '^[+-]?[0-9]{1,3}([.,][0-9]{1,2})?$') }}
            then concat('score ', trim(score_text))
        when reason in ('score_out_of_scale', 'score_not_whole', 'score_not_a_number')
            then concat('score of ', length(trim(score_text)), ' characters')
        when reason in ('responded_at_in_future', 'responded_before_invited')
            then concat('responded at ', cast(responded_at as varchar))
    end as detail
from {{ ref('int_responses') }}
where state = 'quarantined'
