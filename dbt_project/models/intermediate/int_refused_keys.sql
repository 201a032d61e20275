-- What two records share and yet joins nobody: one row per record and key, with the reason.
with addresses as (
    select
        source_system,
        source_stream,
        source_record_id,
        'email' as rule,
        email_key as evidence,
        refused as reason
    from {{ ref('int_addresses') }}
    where refused is not null
),

respondents as (
    select
        responses.source_system,
        responses.source_stream,
        responses.source_record_id,
        'respondent_id' as rule,
        trim(responses.respondent_id) as evidence,
        'placeholder' as reason
    from {{ ref('int_responses') }} as responses
    inner join {{ ref('placeholder_values') }} as placeholders
        on placeholders.kind = 'respondent' and placeholders.term = lower(trim(responses.respondent_id))
    where responses.is_answer
)

select * from addresses
union all
select * from respondents
