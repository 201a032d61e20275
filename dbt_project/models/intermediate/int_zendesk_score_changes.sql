-- When the score of a ticket was filled, by Zendesk's own record of changes: only where ticket events are pulled. A
-- score that was emptied and filled again is another answer; one that was only changed is the answer it was.
with changes as (
    select
        source_system,
        parent_record_id,
        completed_at,
        trim(name) <> '' as is_filled,
        max(case when coalesce(trim(name), '') = '' then completed_at end) over (
            partition by source_system, parent_record_id
        ) as emptied_at
    from {{ ref('int_references') }}
    where source_system = 'zendesk' and source_stream = 'ticket_events' and parent_record_id is not null
)

select
    source_system,
    'tickets' as source_stream,
    parent_record_id as source_record_id,
    min(completed_at) as filled_at
from changes
where is_filled and (emptied_at is null or completed_at >= emptied_at)
group by source_system, parent_record_id
