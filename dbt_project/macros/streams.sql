{#
    Staging from declarations: the landed rows of a role, parsed by where conformed fields sit in their payload.

    `var('streams')` is a list of {source, stream, role, fields: {name: json path}, constants: {name: text},
    written: {field at the destination: json path}}. Streams with the same declaration share one select.
#}

{#
    Makes a model keep what it parsed: each load is parsed once. Before a run, a load that left the pinned list, or
    whose declaration changed, is forgotten.
#}
{% macro parsed_once_per_load() -%}
    {{ config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook='{{ forget_loads() }}'
    ) }}
{%- endmacro %}

{% macro forget_loads() -%}
    {%- if is_incremental() -%}
        delete from {{ this }} as parsed
        where not exists (
            select 1 from {{ source('raw', 'loads') }} as loads
            where loads.load_id = parsed.load_id and loads.fields_hash = parsed.fields_hash
        )
    {%- endif -%}
{%- endmacro %}

{#
    The rows of a role that its staging model does not hold yet, with `columns`, the conformed names of the role; a
    stream that does not declare one yields null. The column `observed` is made of what a stream declares as written.
#}
{% macro parse_role(role, columns) -%}
    with loads_to_parse as (
        select
            load_id,
            fields_hash
        from {{ ref('stg_loads') }}
        where
            role = '{{ role }}'
            {%- if is_incremental() %}
            and load_id not in (select parsed.load_id from {{ this }} as parsed)
            {%- endif %}
    ),

    records as (
        select
            records.*,
            loads_to_parse.fields_hash
        from {{ source('raw', 'records') }} as records
        inner join loads_to_parse on loads_to_parse.load_id = records.load_id
    )
    {%- set groups = {} -%}
    {%- for stream in var('streams') if stream.role == role -%}
        {%- do groups.setdefault(tojson(_declaration(stream), sort_keys=true), []).append(stream) -%}
    {%- endfor -%}
    {%- for streams in groups.values() %}
    {%- set declared = _declaration(streams[0]) -%}
    {%- set paths = declared.fields.values() | list + declared.written.values() | list %}

    select
        {{ _landed_columns() }},
        {%- for column in columns %}
        {{ _conformed(declared, column) }} as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            {{ _landed_columns() }},
            {{ parse_json('payload', paths) if paths else 'null' }} as document
        from records
        where
            {%- for stream in streams %}
            (source_system = '{{ stream.source }}' and source_stream = '{{ stream.stream }}'){{ ' or' if not loop.last }}
            {%- endfor %}
    ) as parsed
    {{ 'union all' if not loop.last }}
    {%- endfor %}
    {%- if not groups %}

    select
        {{ _landed_columns() }},
        {%- for column in columns %}
        cast(null as varchar) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from records
    where false
    {%- endif %}
{%- endmacro %}

{% macro _landed_columns() -%}
    source_system, source_stream, record_id, load_id, load_seq, row_no, source_version, is_deleted, extracted_at, fields_hash
{%- endmacro %}

{% macro _declaration(stream) -%}
    {{ return({
        'fields': stream.fields, 'constants': stream.get('constants', {}), 'written': stream.get('written', {})
    }) }}
{%- endmacro %}

{# What a stream says about a conformed field: its value in the payload, else its constant, else nothing. #}
{% macro _conformed(declared, column) -%}
    {%- if column == 'observed' and declared.written -%}
        {%- set members = {} -%}
        {%- for field, path in declared.written.items() -%}
            {%- do members.update({field: json_field('document', path)}) -%}
        {%- endfor -%}
        {{ json_object_text(members) }}
    {%- elif column in declared.fields and column in declared.constants -%}
        {%- set value = json_field('document', declared.fields[column]) -%}
        case when trim({{ value }}) <> '' then {{ value }} else {{ _constant(declared, column) }} end
    {%- elif column in declared.fields -%}
        {{ json_field('document', declared.fields[column]) }}
    {%- elif column in declared.constants -%}
        {{ _constant(declared, column) }}
    {%- else -%}
        cast(null as varchar)
    {%- endif -%}
{%- endmacro %}

{% macro _constant(declared, column) -%}
    {{ dbt.string_literal(dbt.escape_single_quotes(declared.constants[column])) }}
{%- endmacro %}
