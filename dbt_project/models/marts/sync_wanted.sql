-- What the records of a destination ought to say. A customer with two records there wants both: the plan sees it.
with sync_fields as (
    select * from {{ ref('stg_sync_fields') }}
),

asked_for as (
    select distinct
        survey_type,
        touchpoint
    from sync_fields
),

-- The latest kept answer of a customer to what a field asks for; survey types are never pooled.
answers as (
    select
        asked_for.survey_type,
        asked_for.touchpoint,
        responses.customer_id,
        responses.response_id,
        responses.nps_category,
        responses.responded_at,
        cast(responses.score as varchar) as score_text,
        {{ moment_text('responses.responded_at') }} as responded_at_text,
        row_number() over (
            partition by asked_for.survey_type, asked_for.touchpoint, responses.customer_id
            order by responses.responded_at desc, responses.response_id desc
        ) as recency
    from {{ ref('fct_nps_responses') }} as responses
    inner join asked_for
        on
            asked_for.survey_type = responses.survey_type
            and (asked_for.touchpoint is null or asked_for.touchpoint = responses.touchpoint)
    where responses.customer_id is not null
),

-- Staff answer nothing as customers, and nothing is written to a record that is gone.
people as (
    select
        people.source_system,
        people.source_stream,
        people.source_record_id,
        identities.customer_id
    from {{ ref('int_people') }} as people
    inner join {{ ref('int_identities') }} as identities
        on
            identities.source_system = people.source_system
            and identities.source_stream = people.source_stream
            and identities.source_record_id = people.source_record_id
    where not people.is_deleted and not people.is_staff
),

wanted_values as (
    select
        sync_fields.destination,
        sync_fields.object,
        people.source_record_id as record_id,
        sync_fields.field,
        sync_fields.kind,
        answers.responded_at as as_of,
        answers.response_id,
        answers.customer_id,
        sync_fields.survey_type,
        sync_fields.value,
        case
            when sync_fields.value = 'score' then answers.score_text
            when sync_fields.value = 'responded_at' then answers.responded_at_text
            when answers.nps_category = 'promoter' then coalesce(sync_fields.promoter, answers.nps_category)
            when answers.nps_category = 'passive' then coalesce(sync_fields.passive, answers.nps_category)
            when answers.nps_category = 'detractor' then coalesce(sync_fields.detractor, answers.nps_category)
        end as value_text
    from sync_fields
    inner join people
        on
            people.source_system = sync_fields.destination
            and people.source_stream = sync_fields.source_stream
    inner join answers
        on
            answers.customer_id = people.customer_id
            and answers.survey_type = sync_fields.survey_type
            and answers.touchpoint is not distinct from sync_fields.touchpoint
            and answers.recency = 1
)

select
    wanted_values.destination,
    wanted_values.object,
    wanted_values.record_id,
    wanted_values.field,
    {{ field_text('wanted_values.kind', 'wanted_values.value_text', 'run.timezone') }} as wanted,
    wanted_values.as_of,
    wanted_values.response_id,
    wanted_values.customer_id,
    wanted_values.survey_type,
    wanted_values.value
from wanted_values
cross join {{ ref('stg_run') }} as run
