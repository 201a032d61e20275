-- The account of a customer: that to which a live person record belongs, else that which has the domain of an address.
-- Of several the most preferred source goes first, then the record landed first. When a record was changed plays no
-- part, for sync-back changes records too.
with linked as (
    select
        people.source_system,
        people.source_stream,
        people.source_record_id,
        people.first_landed_at,
        account_identities.account_id,
        'crm_link' as rule
    from {{ ref('int_people') }} as people
    inner join {{ ref('int_account_identities') }} as account_identities
        on
            {{ is_referred_to(
                'account_identities', 'people.source_system', 'people.account_stream', 'people.account_record_id'
            ) }}
    where not people.is_deleted
),

-- A domain is a key of one account or of none: what many companies share, and what a source has twice, is no key.
account_domains as (
    select distinct
        account_keys.evidence as mail_domain,
        identities.account_id
    from {{ ref('int_account_keys') }} as account_keys
    inner join {{ ref('int_account_identities') }} as identities
        on
            identities.source_system = account_keys.source_system
            and identities.source_stream = account_keys.source_stream
            and identities.source_record_id = account_keys.source_record_id
    where account_keys.rule = 'domain'
),

by_domain as (
    select
        addresses.source_system,
        addresses.source_stream,
        addresses.source_record_id,
        addresses.first_landed_at,
        account_domains.account_id,
        'domain' as rule
    from {{ ref('int_addresses') }} as addresses
    inner join account_domains
        on account_domains.mail_domain = {{ dbt.split_part('addresses.email_key', "'@'", 2) }}
    where addresses.is_live and addresses.refused is null
),

candidates as (
    select * from linked
    union all
    select * from by_domain
),

memberships as (
    select
        identities.customer_id,
        candidates.account_id,
        candidates.rule,
        row_number() over (
            partition by identities.customer_id
            order by
                candidates.rule, -- crm_link before domain
                places.place,
                candidates.first_landed_at,
                candidates.source_system,
                candidates.source_stream,
                candidates.source_record_id
        ) as place
    from {{ ref('int_identities') }} as identities
    inner join candidates
        on
            candidates.source_system = identities.source_system
            and candidates.source_stream = identities.source_stream
            and candidates.source_record_id = identities.source_record_id
    inner join {{ ref('int_stream_places') }} as places
        on
            places.source_system = identities.source_system
            and places.source_stream = identities.source_stream
)

select
    customer_id,
    account_id,
    rule
from memberships
where place = 1
