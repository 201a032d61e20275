-- The keys by which too many records would be one person: the weakest rule of what is too large, then the next weakest.
-- What a source says of its own records (its references, its merges) and what a person decided is never cut.
-- noqa: disable=PRS
{{ cut_components(
    ref('int_identity_claims'),
    ref('int_claim_components'),
    ref('stg_run'),
    ['respondent_id', 'phone', 'email', 'cross_reference']
) }}
