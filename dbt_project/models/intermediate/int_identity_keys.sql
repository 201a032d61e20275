-- What tells that two records are the same person: the claims that are neither refused nor cut.
select
    claims.source_system,
    claims.source_stream,
    claims.source_record_id,
    claims.first_landed_at,
    claims.record_key,
    claims.is_live,
    claims.rule,
    claims.strength,
    claims.evidence,
    claims.identity_key
from {{ ref('int_identity_claims') }} as claims
left join {{ ref('int_identity_cuts') }} as cuts
    on
        cuts.record_key = claims.record_key
        and cuts.identity_key = claims.identity_key
where claims.refused is null and cuts.record_key is null
