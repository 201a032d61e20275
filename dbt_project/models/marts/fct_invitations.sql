select
    {{ stable_id([
        "'invitation'", 'invitations.source_system', 'invitations.source_stream', 'invitations.source_record_id'
    ]) }} as invitation_id,
    invitations.source_system,
    invitations.source_stream,
    invitations.source_record_id,
    identities.customer_id,
    invitations.survey_id,
    invitations.survey_type,
    invitations.channel,
    invitations.touchpoint,
    invitations.invited_at,
    -- a source that does not say otherwise has delivered what it sent; a link was sent to nobody
    case when not invitations.is_link then true end as delivered,
    invitations.responded,
    response_groups.response_id,
    invitations.asks_nps
from {{ ref('int_invitations') }} as invitations
left join {{ ref('int_identities') }} as identities
    on
        identities.source_system = invitations.source_system
        and identities.source_stream = invitations.person_stream
        and {{ comparable_id('identities.source_system', 'identities.source_record_id') }}
        = {{ comparable_id('invitations.source_system', 'invitations.person_record_id') }}
-- the answer's group: when the answer is a duplicate, this is the id of the copy that is kept
left join {{ ref('int_response_groups') }} as response_groups
    on
        response_groups.source_system = invitations.source_system
        and response_groups.source_stream = invitations.response_stream
        and response_groups.source_record_id = invitations.response_record_id
