-- Usable responses with their customer, the input of deduplication.
select
    responses.source_system,
    responses.source_stream,
    responses.source_record_id,
    {{ record_key('responses') }} as record_key,
    responses.first_landed_at,
    responses.native_id,
    responses.native_id_scope,
    responses.survey_id,
    responses.score,
    responses.responded_at,
    {{ fold_text('responses.comment') }} as folded_comment,
    identities.customer_id
from {{ ref('int_responses') }} as responses
left join {{ ref('int_identities') }} as identities
    on
        identities.source_system = responses.source_system
        and identities.source_stream = responses.source_stream
        and identities.source_record_id = responses.source_record_id
where responses.state = 'usable'
