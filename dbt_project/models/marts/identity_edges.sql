-- Why records are one customer and why others are not: every key of every record, with the reason if it joins nobody.
select
    identities.customer_id,
    claims.source_system,
    claims.source_stream,
    claims.source_record_id,
    claims.rule,
    claims.evidence,
    claims.identity_key as shared_key,
    case
        when claims.refused is not null then claims.refused
        when cuts.record_key is not null then 'too_many_keys'
    end as refused
from {{ ref('int_identity_claims') }} as claims
left join {{ ref('int_identity_cuts') }} as cuts
    on
        cuts.record_key = claims.record_key
        and cuts.identity_key = claims.identity_key
left join {{ ref('int_identities') }} as identities
    on
        identities.source_system = claims.source_system
        and identities.source_stream = claims.source_stream
        and identities.source_record_id = claims.source_record_id
