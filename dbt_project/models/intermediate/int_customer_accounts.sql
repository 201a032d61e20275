-- The account of a customer: that of the most preferred live person record that has one, then of the one landed first.
-- When a record was changed plays no part, for sync-back changes records too.
with memberships as (
    select
        identities.customer_id,
        account_identities.account_id,
        row_number() over (
            partition by identities.customer_id
            order by
                places.place,
                people.first_landed_at,
                people.source_system,
                people.source_stream,
                people.source_record_id
        ) as place
    from {{ ref('int_identities') }} as identities
    inner join {{ ref('int_people') }} as people
        on
            people.source_system = identities.source_system
            and people.source_stream = identities.source_stream
            and people.source_record_id = identities.source_record_id
    inner join {{ ref('int_account_identities') }} as account_identities
        on
            account_identities.source_system = people.source_system
            and account_identities.source_stream = people.account_stream
            and account_identities.source_record_id = people.account_record_id
    inner join {{ ref('int_stream_places') }} as places
        on
            places.source_system = people.source_system
            and places.source_stream = people.source_stream
    where not people.is_deleted
)

select
    customer_id,
    account_id
from memberships
where place = 1
