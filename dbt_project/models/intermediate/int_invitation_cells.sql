-- Delivered invitations per cell of nps_by_period, by the day of the invitation, and how many of them were answered.
with invitations as (
    select
        invitations.survey_type,
        invitations.channel,
        invitations.touchpoint,
        invitations.responded,
        {{ local_date('invitations.invited_at', 'run.timezone') }} as invited_on
    from {{ ref('int_invitations') }} as invitations
    cross join {{ ref('stg_run') }} as run
    where not invitations.is_link and invitations.asks_nps
)

select
    periods.grain,
    periods.period_start,
    invitations.survey_type,
    case when grouping(invitations.channel) = 1 then 'all' else invitations.channel end as channel,
    case when grouping(invitations.touchpoint) = 1 then 'all' else invitations.touchpoint end as touchpoint,
    count(*) as invited,
    count(*) filter (where invitations.responded) as invited_responded
from invitations
inner join {{ ref('int_periods') }} as periods on periods.local_day = invitations.invited_on
group by
    periods.grain,
    periods.period_start,
    invitations.survey_type,
    cube(invitations.channel, invitations.touchpoint)
