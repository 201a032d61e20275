-- A cell is there when somebody answered or was invited in it; without enough answers it says so instead of an NPS.
with cells as (
    select
        grain,
        period_start,
        survey_type,
        channel,
        touchpoint,
        responses,
        promoters,
        passives,
        detractors,
        0 as invited,
        0 as invited_responded
    from {{ ref('int_nps_cells') }}
    union all
    select
        grain,
        period_start,
        survey_type,
        channel,
        touchpoint,
        0 as responses,
        0 as promoters,
        0 as passives,
        0 as detractors,
        invited,
        invited_responded
    from {{ ref('int_invitation_cells') }}
),

-- The same cell of both: each has it once at most.
joined as (
    select
        grain,
        period_start,
        survey_type,
        channel,
        touchpoint,
        max(responses) as responses,
        max(promoters) as promoters,
        max(passives) as passives,
        max(detractors) as detractors,
        max(invited) as invited,
        max(invited_responded) as invited_responded
    from cells
    group by grain, period_start, survey_type, channel, touchpoint
),

scored as (
    select
        joined.*,
        joined.responses >= run.min_n as has_minimum,
        {{ nps('promoters', 'detractors', 'responses') }} as nps,
        {{ nps_interval('-', 'promoters', 'detractors', 'responses') }} as nps_low,
        {{ nps_interval('+', 'promoters', 'detractors', 'responses') }} as nps_high
    from joined
    cross join {{ ref('stg_run') }} as run
)

select
    grain,
    period_start,
    survey_type,
    channel,
    touchpoint,
    responses,
    promoters,
    passives,
    detractors,
    case when has_minimum then nps end as nps,
    case when has_minimum then nps_low end as nps_low,
    case when has_minimum then nps_high end as nps_high,
    case when not has_minimum then 'below_minimum' end as score_reason,
    nullif(invited, 0) as invited,
    case when invited > 0 then invited_responded end as invited_responded,
    cast(round(1.0 * invited_responded / nullif(invited, 0), 4) as decimal(7, 4)) as response_rate
from scored
