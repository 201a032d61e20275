-- What could tell that two records are the same person: one row per record and key, with the reason if it joins nobody.
-- Add a rule as one more select.
with responses as (
    select
        responses.source_system,
        responses.source_stream,
        responses.source_record_id,
        responses.first_landed_at,
        {{ record_key('responses') }} as record_key,
        responses.state in ('usable', 'quarantined') as is_live,
        trim(responses.respondent_id) as respondent_id,
        responses.person_record_id,
        {{ reference_key('responses.source_system', 'responses.person_stream', 'responses.person_record_id') }}
            as person_key
    from {{ ref('int_responses') }} as responses
    where responses.is_answer
),

people as (
    select
        people.*,
        {{ record_key('people') }} as record_key,
        not people.is_deleted as is_live,
        {{ reference_key('people.source_system', 'people.source_stream', 'people.source_record_id') }} as person_key,
        {{ reference_key(
            dbt.split_part('people.cross_reference_to', "'.'", 1),
            dbt.split_part('people.cross_reference_to', "'.'", 2),
            'people.cross_reference'
        ) }} as cross_reference_key
    from {{ ref('int_people') }} as people
),

-- Staff is no customer, whoever refers to it.
customers as (
    select * from people
    where not is_staff
),

staff as (
    select person_key from people
    where is_staff
),

-- Every person record is somebody, even without any other key.
own_records as (
    select
        source_system,
        source_stream,
        source_record_id,
        first_landed_at,
        record_key,
        is_live,
        'own_record' as rule,
        7 as strength,
        source_record_id as evidence,
        person_key as identity_key,
        cast(null as varchar) as refused
    from customers
),

-- The source itself says which of its person records answered.
person_references as (
    select
        responses.source_system,
        responses.source_stream,
        responses.source_record_id,
        responses.first_landed_at,
        responses.record_key,
        responses.is_live,
        'person_reference' as rule,
        1 as strength,
        responses.person_record_id as evidence,
        responses.person_key as identity_key,
        cast(null as varchar) as refused
    from responses
    left join staff on staff.person_key = responses.person_key
    where responses.person_record_id <> '' and staff.person_key is null
),

-- The source itself says that two of its records are one since they were merged.
merged_records as (
    select
        customers.source_system,
        customers.source_stream,
        customers.source_record_id,
        customers.first_landed_at,
        customers.record_key,
        customers.is_live,
        'merge' as rule,
        2 as strength,
        merged.other_record_id as evidence,
        {{ reference_key('merged.source_system', 'merged.source_stream', 'merged.other_record_id') }} as identity_key,
        cast(null as varchar) as refused
    from customers
    inner join {{ ref('int_merges') }} as merged
        on
            merged.source_system = customers.source_system
            and merged.source_stream = customers.source_stream
            and merged.source_record_id = customers.source_record_id
),

-- An id of another source counts where that source serves such a record, so a customer number is no reference.
cross_references as (
    select
        customers.source_system,
        customers.source_stream,
        customers.source_record_id,
        customers.first_landed_at,
        customers.record_key,
        customers.is_live,
        'cross_reference' as rule,
        3 as strength,
        customers.cross_reference as evidence,
        referenced.person_key as identity_key,
        cast(null as varchar) as refused
    from customers
    inner join customers as referenced on referenced.person_key = customers.cross_reference_key
),

-- Spellings of one mailbox are one key; what many people write joins none of them.
emails as (
    select
        source_system,
        source_stream,
        source_record_id,
        first_landed_at,
        record_key,
        is_live,
        'email' as rule,
        4 as strength,
        email_key as evidence,
        concat('email:', mailbox) as identity_key,
        refused
    from {{ ref('int_addresses') }}
),

-- A number tells who a person is only together with the full name, for colleagues share a switchboard.
phones as (
    select
        source_system,
        source_stream,
        source_record_id,
        first_landed_at,
        record_key,
        is_live,
        'phone' as rule,
        5 as strength,
        phone as evidence,
        concat('phone:', phone, ' ', name_key) as identity_key,
        refused
    from {{ ref('int_phones') }}
),

-- A survey tool's respondent id means nothing outside its own source and mapping.
respondents as (
    select
        responses.source_system,
        responses.source_stream,
        responses.source_record_id,
        responses.first_landed_at,
        responses.record_key,
        responses.is_live,
        'respondent_id' as rule,
        6 as strength,
        responses.respondent_id as evidence,
        concat(
            'respondent:', responses.source_system, '/', responses.source_stream, '/', responses.respondent_id
        ) as identity_key,
        case when placeholders.term is not null then 'placeholder' end as refused
    from responses
    left join {{ ref('placeholder_values') }} as placeholders
        on placeholders.kind = 'respondent' and placeholders.term = lower(responses.respondent_id)
    where responses.respondent_id <> ''
),

unioned as (
    {% for rule in [
        'person_references', 'merged_records', 'cross_references', 'emails', 'phones', 'respondents', 'own_records'
    ] %}
        select * from {{ rule }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- What a person decided, in the seed identity_decisions, about records of people and answers alike.
decided as (
    select
        decisions.decision,
        decisions.person,
        {{ record_key('decisions') }} as record_key,
        {{ reference_key('decisions.source_system', 'decisions.source_stream', 'decisions.source_record_id') }}
            as person_key
    from {{ ref('identity_decisions') }} as decisions
),

split_records as (
    select
        record_key,
        person_key
    from decided
    where decision = 'split'
),

-- An answer follows the person record that it names, so its address must not lead back to where that was split from.
followers as (
    select distinct person_references.record_key
    from person_references
    inner join split_records on split_records.person_key = person_references.identity_key
),

judged as (
    select
        unioned.source_system,
        unioned.source_stream,
        unioned.source_record_id,
        unioned.first_landed_at,
        unioned.record_key,
        unioned.is_live,
        unioned.rule,
        unioned.strength,
        unioned.evidence,
        unioned.identity_key,
        case
            when unioned.refused is not null then unioned.refused
            when unioned.rule = 'own_record' then null
            when split_records.record_key is not null then 'split'
            when unioned.rule = 'person_reference' then null
            when split_others.person_key is not null or followers.record_key is not null then 'split'
        end as refused
    from unioned
    left join split_records on split_records.record_key = unioned.record_key
    left join split_records as split_others on split_others.person_key = unioned.identity_key
    left join followers on followers.record_key = unioned.record_key
),

records as (
    select
        source_system,
        source_stream,
        source_record_id,
        first_landed_at,
        record_key,
        is_live
    from responses
    union all
    select
        source_system,
        source_stream,
        source_record_id,
        first_landed_at,
        record_key,
        is_live
    from customers
),

decisions as (
    select
        records.source_system,
        records.source_stream,
        records.source_record_id,
        records.first_landed_at,
        records.record_key,
        records.is_live,
        'decision' as rule,
        0 as strength,
        coalesce(nullif(decided.person, ''), records.record_key) as evidence,
        concat('decision:', coalesce(nullif(decided.person, ''), records.record_key)) as identity_key,
        cast(null as varchar) as refused
    from records
    inner join decided on decided.record_key = records.record_key
)

select * from judged
union all
select * from decisions
