with scored as (
    select
        cells.*,
        cells.responses >= run.min_n as has_minimum,
        {{ nps('promoters', 'detractors', 'responses') }} as nps,
        {{ nps_interval('-', 'promoters', 'detractors', 'responses') }} as nps_low,
        {{ nps_interval('+', 'promoters', 'detractors', 'responses') }} as nps_high
    from {{ ref('int_nps_cells') }} as cells
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
    cast(null as bigint) as invited, -- no source serves invitations yet
    cast(null as bigint) as invited_responded,
    cast(null as decimal(7, 4)) as response_rate
from scored
