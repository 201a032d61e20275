{# The columns that a model's contract names, in its order. #}
{% macro contract_columns(model) -%}
    {%- if execute -%}
        {{ return(graph.nodes['model.' ~ project_name ~ '.' ~ model].columns.keys() | list) }}
    {%- endif -%}
    {{ return([]) }}
{%- endmacro %}
