-- The proof of conservation: every landed row of every stream in exactly one class.
with versions as (
    select * from {{ ref('int_record_versions') }}
),

responses as (
    select * from {{ ref('int_responses') }}
),

response_groups as (
    select * from {{ ref('int_response_groups') }}
)

select
    versions.source_system,
    versions.source_stream,
    versions.source_record_id,
    versions.role,
    versions.load_id,
    versions.row_no,
    case
        when not versions.is_current then 'superseded'
        when versions.role <> 'response' then case when versions.is_deleted then 'deleted' else 'current' end
        when responses.state <> 'usable' then responses.state
        when response_groups.is_kept then 'kept'
        else 'duplicate'
    end as class,
    case when versions.is_current then responses.reason end as reason
from versions
left join responses
    on
        responses.source_system = versions.source_system
        and responses.source_stream = versions.source_stream
        and responses.source_record_id = versions.source_record_id
left join response_groups
    on
        response_groups.source_system = versions.source_system
        and response_groups.source_stream = versions.source_stream
        and response_groups.source_record_id = versions.source_record_id
