{#
    Staging from declarations: every stream of a role, parsed by where its conformed fields sit in its payload.

    `var('streams')` is a list of {source, stream, role, fields: {name: json path}}. `columns` are the conformed names
    of the role; a stream that does not declare one yields null. Streams with the same declaration share one select.
#}
{% macro parse_streams(records, role, columns) -%}
    {%- set groups = {} -%}
    {%- for stream in var('streams') if stream.role == role -%}
        {%- set key = tojson(stream.fields, sort_keys=true) -%}
        {%- do groups.update({key: groups.get(key, []) + [stream]}) -%}
    {%- endfor -%}
    {%- for streams in groups.values() %}
    select
        parsed.* exclude (document),
        {%- for column in columns %}
        {% if column in streams[0].fields %}{{ json_field('document', streams[0].fields[column]) }}{% else %}cast(null as varchar){% endif %} as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            {{ records }}.* exclude (payload),
            {{ parse_json('payload', streams[0].fields) }} as document
        from {{ records }}
        where
            {%- for stream in streams %}
            (source_system = '{{ stream.source }}' and source_stream = '{{ stream.stream }}'){{ ' or' if not loop.last }}
            {%- endfor %}
    ) as parsed
    {{ 'union all' if not loop.last }}
    {%- endfor %}
    {%- if not groups %}
    select
        {{ records }}.* exclude (payload),
        {%- for column in columns %}
        cast(null as varchar) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ records }}
    where false
    {%- endif %}
{%- endmacro %}
