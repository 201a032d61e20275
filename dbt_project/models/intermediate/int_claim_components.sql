-- What would be one person if no customer could be too large: the components of all claims that are not refused.
-- noqa: disable=PRS
with claims as (
    select
        record_key,
        identity_key
    from {{ ref('int_identity_claims') }}
    where refused is null
),

components as (
    {{ connected_components('claims', 'record_key', 'identity_key') }}
)

select
    node,
    component
from components
