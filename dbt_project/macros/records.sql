{# How records name themselves and each other. #}

{# A record of one source as one text key, for graphs; the separator cannot occur in a source or stream name. #}
{% macro record_key(alias) -%}
    concat({{ alias }}.source_system, '/', {{ alias }}.source_stream, '/', {{ alias }}.source_record_id)
{%- endmacro %}

{#
    A record id as it can be compared: Salesforce writes one id with 15 characters or with 18, of which the last three
    only repeat the case of the others.
#}
{% macro comparable_id(source_system, record_id) -%}
    case
        when {{ source_system }} = 'salesforce' and {{ matches(record_id, '^[a-zA-Z0-9]{18}$') }} then left({{ record_id }}, 15)
        else {{ record_id }}
    end
{%- endmacro %}

{# The key that a record and every reference to it share in a graph. #}
{% macro reference_key(source_system, source_stream, record_id) -%}
    concat('record:', {{ source_system }}, '/', {{ source_stream }}, '/', {{ comparable_id(source_system, record_id) }})
{%- endmacro %}

{# That a record of `alias` is the one to which another source record refers, by its stream and id. #}
{% macro is_referred_to(alias, source_system, source_stream, record_id) -%}
    {{ alias }}.source_system = {{ source_system }}
    and {{ alias }}.source_stream = {{ source_stream }}
    and {{ comparable_id(alias ~ '.source_system', alias ~ '.source_record_id') }}
    = {{ comparable_id(source_system, record_id) }}
{%- endmacro %}

{#
    Resolves records to what they are, a customer or an account: one row per record with its id, the strongest rule that
    says so and the evidence. `keys` has a row per record and key, `components` the connected components of that graph.

    The record that was landed first founds the component and lends it its id, also when it is deleted by now: so the id
    stays. A component without any live record is left out: nothing of it is known any more.
#}
{% macro resolved_records(keys, components, kind) -%}
with strongest_keys as (
    select
        *,
        row_number() over (partition by record_key order by strength, evidence) as key_rank
    from {{ keys }}
),

members as (
    select
        strongest_keys.*,
        components.component
    from strongest_keys
    inner join {{ components }} as components on components.node = strongest_keys.record_key
    where strongest_keys.key_rank = 1
),

ranked as (
    select
        *,
        row_number() over (
            partition by component order by first_landed_at, source_system, source_stream, source_record_id
        ) as founding_rank,
        max(case when is_live then 1 else 0 end) over (partition by component) as has_live_record
    from members
),

founders as (
    select
        component,
        {{ stable_id(["'" ~ kind ~ "'", 'source_system', 'source_stream', 'source_record_id']) }} as {{ kind }}_id
    from ranked
    where founding_rank = 1 and has_live_record = 1
)

select
    members.source_system,
    members.source_stream,
    members.source_record_id,
    founders.{{ kind }}_id,
    members.rule,
    members.evidence,
    members.first_landed_at
from members
inner join founders on founders.component = members.component
{%- endmacro %}

{# How many rows there are of each class of the conservation table. #}
{% macro class_counts() -%}
    count(*) filter (where class = 'superseded') as superseded,
    count(*) filter (where class = 'deleted') as deleted,
    count(*) filter (where class = 'excluded') as excluded,
    count(*) filter (where class = 'quarantined') as quarantined,
    count(*) filter (where class = 'duplicate') as duplicate,
    count(*) filter (where class = 'kept') as kept,
    count(*) filter (where class = 'current') as current_rows
{%- endmacro %}
