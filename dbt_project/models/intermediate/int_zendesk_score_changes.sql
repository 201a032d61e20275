-- When the score of a ticket was filled first, by Zendesk's own record of changes: only where ticket events are pulled.
select
    source_system,
    'tickets' as source_stream,
    parent_record_id as source_record_id,
    min(completed_at) as filled_at
from {{ ref('int_references') }}
where
    source_system = 'zendesk'
    and source_stream = 'ticket_events'
    and parent_record_id is not null
    and trim(name) <> ''
group by source_system, parent_record_id
