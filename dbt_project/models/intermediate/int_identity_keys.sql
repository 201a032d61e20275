-- What can tell that two records are the same person: one row per record and key. Add a rule as one more select.
with candidates as (
    select
        responses.source_system,
        responses.source_stream,
        responses.source_record_id,
        responses.first_landed_at,
        {{ record_key('responses') }} as record_key,
        lower(trim(responses.email)) as email,
        trim(responses.respondent_id) as respondent_id
    from {{ ref('int_responses') }} as responses
    where responses.state <> 'excluded'
),

emails as (
    select
        source_system,
        source_stream,
        source_record_id,
        first_landed_at,
        record_key,
        'email' as rule,
        1 as strength,
        email as evidence,
        concat('email:', email) as identity_key
    from candidates
    where {{ matches('email', '^[^@\\s]+@[^@\\s]+[.][^@\\s]+$') }}
),

-- A survey tool's respondent id means nothing outside its own source and mapping.
respondents as (
    select
        candidates.source_system,
        candidates.source_stream,
        candidates.source_record_id,
        candidates.first_landed_at,
        candidates.record_key,
        'respondent_id' as rule,
        2 as strength,
        candidates.respondent_id as evidence,
        concat(
            'respondent:', candidates.source_system, '/', candidates.source_stream, '/', candidates.respondent_id
        ) as identity_key
    from candidates
    left join {{ ref('not_available_terms') }} as not_available
        on not_available.term = lower(candidates.respondent_id)
    where candidates.respondent_id <> '' and not_available.term is null
),

unioned as (
    select * from emails
    union all
    select * from respondents
)

select
    source_system,
    source_stream,
    source_record_id,
    first_landed_at,
    record_key,
    rule,
    strength,
    evidence,
    identity_key
from unioned
