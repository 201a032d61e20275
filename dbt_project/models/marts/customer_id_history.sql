-- What became of customer ids: carried over from the publication before, and what changed since.
with previous as (
    select
        customer_id,
        source_system,
        source_stream,
        source_record_id
    from {{ source('raw', 'previous_identities') }}
),

moved as (
    select
        previous.customer_id,
        identities.customer_id as became_customer_id,
        count(*) as records
    from previous
    inner join {{ ref('int_identities') }} as identities
        on
            identities.source_system = previous.source_system
            and identities.source_stream = previous.source_stream
            and identities.source_record_id = previous.source_record_id
    where identities.customer_id <> previous.customer_id
    group by
        previous.customer_id,
        identities.customer_id
),

still_there as (
    select customer_id from {{ ref('dim_customers') }}
),

changes as (
    select
        moved.customer_id,
        moved.became_customer_id,
        case when still_there.customer_id is null then 'join' else 'split' end as change, -- noqa: RF04
        moved.records,
        run.publication_id,
        run.published_at
    from moved
    cross join {{ ref('stg_run') }} as run
    left join still_there on still_there.customer_id = moved.customer_id
)

select
    customer_id,
    became_customer_id,
    change,
    records,
    publication_id,
    published_at
from {{ source('raw', 'previous_history') }}
union all
select
    customer_id,
    became_customer_id,
    change,
    records,
    publication_id,
    published_at
from changes
