-- One row per person record and phone number: the number with the name beside it, and why they tell nothing, if so.
-- A number alone is no key, for colleagues share a switchboard.
with people as (
    select
        people.*,
        {{ record_key('people') }} as record_key
    from {{ ref('int_people') }} as people
    where not people.is_staff
),

account_records as (
    select
        identities.account_id,
        identities.source_system,
        identities.source_stream,
        identities.source_record_id,
        countries.country,
        row_number() over (
            partition by identities.account_id
            order by
                places.place,
                identities.first_landed_at,
                identities.source_system,
                identities.source_stream,
                identities.source_record_id
        ) as place
    from {{ ref('int_account_identities') }} as identities
    inner join {{ ref('int_account_records') }} as records
        on
            records.source_system = identities.source_system
            and records.source_stream = identities.source_stream
            and records.source_record_id = identities.source_record_id
    inner join {{ ref('int_stream_places') }} as places
        on
            places.source_system = identities.source_system
            and places.source_stream = identities.source_stream
    left join {{ ref('countries') }} as countries on countries.name = {{ fold_text('records.country') }}
),

accounts as (
    select
        account_id,
        {{ first_by('country', 'place') }} as country
    from account_records
    group by account_id
),

-- The person's own country, else that of the account's record in the same source, else the account's, else nps.yaml's.
located as (
    select
        people.*,
        coalesce(
            countries.country, account_records.country, accounts.country, run.default_country
        ) as country_code
    from people
    cross join {{ ref('stg_run') }} as run
    left join {{ ref('countries') }} as countries on countries.name = {{ fold_text('people.country') }}
    left join account_records
        on
            {{ is_referred_to(
                'account_records', 'people.source_system', 'people.account_stream', 'people.account_record_id'
            ) }}
    left join accounts on accounts.account_id = account_records.account_id
),

numbers as (
    {% for field in ['phone', 'mobile_phone'] %}
        select
            source_system,
            source_stream,
            source_record_id,
            first_landed_at,
            record_key,
            is_deleted,
            name_key,
            {{ fold_text('display_name') }} as folded_name,
            country_code,
            {{ field }} as number_text
        from located
        where {{ field }} is not null
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Each spelling is read once: reading takes longer than all else here.
spellings as (
    select distinct
        number_text,
        country_code
    from numbers
),

spelled as (
    select
        number_text,
        country_code,
        {{ phone_key('number_text', 'country_code') }} as phone_key
    from spellings
)

select distinct
    numbers.source_system,
    numbers.source_stream,
    numbers.source_record_id,
    numbers.first_landed_at,
    numbers.record_key,
    not numbers.is_deleted as is_live,
    coalesce(spelled.phone_key, numbers.number_text) as phone,
    numbers.name_key,
    case
        when spelled.phone_key is null and numbers.country_code is null and numbers.number_text not like '+%'
            then 'no_country'
        when spelled.phone_key is null then 'no_number'
        when placeholders.term is not null then 'placeholder'
        when coalesce(numbers.name_key, '') not like '% %' then 'no_full_name'
    end as refused
from numbers
inner join spelled
    on
        spelled.number_text = numbers.number_text
        and spelled.country_code is not distinct from numbers.country_code
left join {{ ref('placeholder_values') }} as placeholders
    on placeholders.kind = 'name' and placeholders.term = numbers.folded_name
