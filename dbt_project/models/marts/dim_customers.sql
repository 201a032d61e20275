-- Survivorship, field by field. A live person record goes before an answer, for a CRM keeps its people up to date.
-- Among person records the most preferred source goes first (nps.yaml), then the record landed first; among answers the
-- latest. An address that says nothing of a person goes last, a placeholder is none. When a record was changed plays no
-- part, for sync-back changes records too.
with person_records as (
    select
        people.source_system,
        people.source_stream,
        people.source_record_id,
        case when not people.is_deleted and {{ is_email('people.email') }} then people.email end as email,
        case when not people.is_deleted then people.display_name end as display_name,
        cast(null as timestamp) as responded_at,
        1 as kind_place,
        places.place
    from {{ ref('int_people') }} as people
    inner join {{ ref('int_stream_places') }} as places
        on
            places.source_system = people.source_system
            and places.source_stream = people.source_stream
),

responses as (
    select
        source_system,
        source_stream,
        source_record_id,
        case when state <> 'deleted' and {{ is_email('lower(trim(email))') }} then lower(trim(email)) end as email,
        case when state <> 'deleted' then nullif(trim(display_name), '') end as display_name,
        responded_at,
        2 as kind_place,
        0 as place
    from {{ ref('int_responses') }}
),

records as (
    select * from person_records
    union all
    select * from responses
),

known as (
    select
        identities.customer_id,
        identities.first_landed_at,
        identities.source_system,
        identities.source_stream,
        identities.source_record_id,
        records.responded_at,
        records.kind_place,
        records.place,
        case when addresses.refused is null then records.email end as own_email,
        case when coalesce(addresses.refused, '') <> 'placeholder' then records.email end as email,
        case
            when placeholders.term is null and not {{ is_email('lower(records.display_name)') }}
                then records.display_name
        end as display_name
    from {{ ref('int_identities') }} as identities
    inner join records
        on
            records.source_system = identities.source_system
            and records.source_stream = identities.source_stream
            and records.source_record_id = identities.source_record_id
    left join {{ ref('int_addresses') }} as addresses
        on
            addresses.source_system = identities.source_system
            and addresses.source_stream = identities.source_stream
            and addresses.source_record_id = identities.source_record_id
    left join {{ ref('placeholder_values') }} as placeholders
        on placeholders.kind = 'name' and placeholders.term = {{ fold_text('records.display_name') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id
            order by
                kind_place asc,
                place asc,
                responded_at desc nulls last,
                first_landed_at asc,
                source_system asc,
                source_stream asc,
                source_record_id asc
        ) as record_place
    from known
),

customers as (
    select
        customer_id,
        coalesce(
            {{ first_by('own_email', 'record_place') }},
            {{ first_by('email', 'record_place') }}
        ) as email,
        {{ first_by('display_name', 'record_place') }} as display_name,
        min(coalesce(responded_at, first_landed_at)) as first_seen_at,
        count(*) as identity_count
    from ranked
    group by customer_id
)

select
    customers.customer_id,
    customers.email,
    customers.display_name,
    customer_accounts.account_id,
    customers.first_seen_at,
    customers.identity_count
from customers
left join {{ ref('int_customer_accounts') }} as customer_accounts
    on customer_accounts.customer_id = customers.customer_id
