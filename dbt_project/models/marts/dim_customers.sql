with records as (
    select
        identities.customer_id,
        identities.source_system,
        identities.source_stream,
        identities.source_record_id,
        identities.first_landed_at,
        lower(trim(responses.email)) as email,
        nullif(trim(responses.display_name), '') as display_name,
        responses.responded_at,
        {{ matches('lower(trim(responses.email))', '^[^@\\s]+@[^@\\s]+[.][^@\\s]+$') }} as has_email
    from {{ ref('int_identities') }} as identities
    inner join {{ ref('int_responses') }} as responses
        on
            responses.source_system = identities.source_system
            and responses.source_stream = identities.source_stream
            and responses.source_record_id = identities.source_record_id
),

-- Survivorship: of the records that have the value, the most recently answered one.
emails as (
    select
        customer_id,
        email,
        row_number() over (
            partition by customer_id
            order by responded_at desc nulls last, source_system asc, source_stream asc, source_record_id asc
        ) as recency
    from records
    where has_email
),

display_names as (
    select
        customer_id,
        display_name,
        row_number() over (
            partition by customer_id
            order by responded_at desc nulls last, source_system asc, source_stream asc, source_record_id asc
        ) as recency
    from records
    where display_name is not null
),

customers as (
    select
        customer_id,
        min(coalesce(responded_at, first_landed_at)) as first_seen_at,
        count(*) as identity_count
    from records
    group by customer_id
)

select
    customers.customer_id,
    emails.email,
    display_names.display_name,
    cast(null as varchar) as account_id, -- no source serves accounts yet
    customers.first_seen_at,
    customers.identity_count
from customers
left join emails on emails.customer_id = customers.customer_id and emails.recency = 1
left join display_names on display_names.customer_id = customers.customer_id and display_names.recency = 1
