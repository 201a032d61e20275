-- The one copy of every answer that counts, with its customer, account and category.
with kept as (
    select
        source_system,
        source_stream,
        source_record_id,
        response_id,
        customer_id
    from {{ ref('int_response_groups') }}
    where is_kept
)

select
    kept.response_id,
    kept.source_system,
    kept.source_stream,
    kept.source_record_id,
    kept.customer_id,
    -- The account that the answer itself names goes before that of the customer.
    coalesce(own_accounts.account_id, customer_accounts.account_id) as account_id,
    responses.survey_id,
    responses.survey_type,
    responses.channel,
    responses.touchpoint,
    responses.score,
    {{ nps_category('responses.score') }} as nps_category,
    responses.comment,
    responses.language,
    responses.responded_at,
    responses.responded_at_basis,
    responses.invited_at,
    responses.first_load_id
from kept
inner join {{ ref('int_responses') }} as responses
    on
        responses.source_system = kept.source_system
        and responses.source_stream = kept.source_stream
        and responses.source_record_id = kept.source_record_id
left join {{ ref('int_account_identities') }} as own_accounts
    on
        {{ is_referred_to(
            'own_accounts', 'responses.source_system', 'responses.account_stream', 'responses.account_record_id'
        ) }}
left join {{ ref('int_customer_accounts') }} as customer_accounts on customer_accounts.customer_id = kept.customer_id
