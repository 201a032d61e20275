-- One row per record that has an e-mail address: whose mailbox that is, and why it can tell nothing of a person, if so.
with records as (
    select
        people.source_system,
        people.source_stream,
        people.source_record_id,
        people.first_landed_at,
        {{ record_key('people') }} as record_key,
        not people.is_deleted as is_live,
        people.email_key,
        people.name_key
    from {{ ref('int_people') }} as people
    where not people.is_staff
    union all
    select
        responses.source_system,
        responses.source_stream,
        responses.source_record_id,
        responses.first_landed_at,
        {{ record_key('responses') }} as record_key,
        responses.state in ('usable', 'quarantined') as is_live,
        responses.email_key,
        cast(null as varchar) as name_key
    from {{ ref('int_responses') }} as responses
    where responses.is_answer
),

addresses as (
    select
        records.*,
        {{ dbt.split_part('email_key', "'@'", 1) }} as local_part,
        {{ dbt.split_part('email_key', "'@'", 2) }} as mail_domain,
        {{ dbt.split_part(dbt.split_part('email_key', "'@'", 1), "'+'", 1) }} as untagged
    from records
    where email_key is not null
),

-- What only some providers ignore is ignored for those alone.
provided as (
    select
        addresses.*,
        coalesce(providers.same_as, addresses.mail_domain) as mailbox_domain,
        case
            when providers.ignores_tags and addresses.untagged <> '' then addresses.untagged
            else addresses.local_part
        end as mailbox_name,
        coalesce(providers.ignores_dots, false) as ignores_dots
    from addresses
    left join {{ ref('mail_providers') }} as providers on providers.domain = addresses.mail_domain
),

mailboxes as (
    select
        *,
        concat(
            case when ignores_dots then replace(mailbox_name, '.', '') else mailbox_name end, '@', mailbox_domain
        ) as mailbox
    from provided
),

-- Deleted records count too: what was refused once must not join again when one of the records goes.
crowded as (
    select mailboxes.mailbox
    from mailboxes
    cross join {{ ref('stg_run') }} as run
    group by mailboxes.mailbox, run.people_per_address
    having count(distinct mailboxes.name_key) > run.people_per_address
)

select
    mailboxes.source_system,
    mailboxes.source_stream,
    mailboxes.source_record_id,
    mailboxes.first_landed_at,
    mailboxes.record_key,
    mailboxes.is_live,
    mailboxes.email_key,
    mailboxes.mailbox,
    case
        when placeholder_names.term is not null or placeholder_domains.term is not null then 'placeholder'
        when shared_mailboxes.name is not null then 'shared_mailbox'
        when crowded.mailbox is not null then 'many_people'
    end as refused
from mailboxes
left join {{ ref('placeholder_values') }} as placeholder_names
    on placeholder_names.kind = 'mailbox' and placeholder_names.term = mailboxes.untagged
left join {{ ref('placeholder_values') }} as placeholder_domains
    on placeholder_domains.kind = 'mail_domain' and placeholder_domains.term = mailboxes.mail_domain
left join {{ ref('shared_mailboxes') }} as shared_mailboxes on shared_mailboxes.name = mailboxes.untagged
left join crowded on crowded.mailbox = mailboxes.mailbox
