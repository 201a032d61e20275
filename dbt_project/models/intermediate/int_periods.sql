-- Every local date on which somebody was invited or answered, with the periods that it belongs to.
with run as (
    select
        timezone,
        as_of_date
    from {{ ref('stg_run') }}
),

days as (
    select {{ local_date('responses.responded_at', 'run.timezone') }} as local_day
    from {{ ref('int_kept_responses') }} as responses
    cross join run
    union
    select {{ local_date('invitations.invited_at', 'run.timezone') }} as local_day
    from {{ ref('int_invitations') }} as invitations
    cross join run
    where not invitations.is_link and invitations.asks_nps and invitations.invited_at is not null
)

{% for grain in ['day', 'week', 'month', 'quarter'] %}
    select
        local_day,
        '{{ grain }}' as grain,
        cast(date_trunc('{{ grain }}', local_day) as date) as period_start
    from days
    union all
{% endfor %}
{% for length in [30, 90, 365] %}
    select
        days.local_day,
        'rolling_{{ length }}d' as grain,
        cast(run.as_of_date - {{ length - 1 }} as date) as period_start
    from days
    cross join run
    where days.local_day between run.as_of_date - {{ length - 1 }} and run.as_of_date
    union all
{% endfor %}
select
    local_day,
    'all_time' as grain,
    min(local_day) over () as period_start
from days
