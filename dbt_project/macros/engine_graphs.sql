{# What differs between engines about graphs, one dispatching macro each; all else is in engine.sql. #}

{#
    Connected components of an undirected graph. `edges` is a relation whose columns `node_a` and `node_b` are the ends
    of its edges. Rows: node, component (the smallest node of its component). A node without an edge has no row.
#}
{% macro connected_components(edges, node_a, node_b) -%}
    {{ adapter.dispatch('connected_components')(edges, node_a, node_b) }}
{%- endmacro %}
{% macro duckdb__connected_components(edges, node_a, node_b) -%}
with {{ _components(edges, node_a, node_b, 'labels') }}

select node, component from labels
{%- endmacro %}

{# Nodes are numbered in their order, so the smallest number of a component (nps_pipeline/components.py) names it. #}
{% macro _components(edges, node_a, node_b, name) -%}
{{ name }}_nodes as (
    select
        node,
        row_number() over (order by node) - 1 as number
    from (
        select {{ node_a }} as node from {{ edges }}
        union
        select {{ node_b }} from {{ edges }}
    ) as ends
),

{{ name }}_graph as (
    select nps_smallest_nodes(list(one.number), list(other.number), any_value(nodes.count)) as smallest
    from {{ edges }} as edges
    inner join {{ name }}_nodes as one on one.node = edges.{{ node_a }}
    inner join {{ name }}_nodes as other on other.node = edges.{{ node_b }}
    cross join (select count(*) as count from {{ name }}_nodes) as nodes
),

{{ name }}_numbers as (
    select
        generate_subscripts(smallest, 1) - 1 as number,
        unnest(smallest) as smallest
    from {{ name }}_graph
),

{{ name }} as (
    select
        nodes.node,
        smallest.node as component
    from {{ name }}_numbers as numbers
    inner join {{ name }}_nodes as nodes on nodes.number = numbers.number
    inner join {{ name }}_nodes as smallest on smallest.number = numbers.smallest
)
{%- endmacro %}

{#
    The keys to cut so that no component has more keys than `keys_per_customer` of the one row of `run`. In what is too
    large the keys of the first rule of `rules` are cut, then those of the next in what is too large still. `claims` has
    a row per record and key with its rule, and `components` the components of those that are not refused. Rows:
    record_key, identity_key.
#}
{% macro cut_components(claims, components, run, rules) -%}
    {{ adapter.dispatch('cut_components')(claims, components, run, rules) }}
{%- endmacro %}
{% macro duckdb__cut_components(claims, components, run, rules) -%}
with crowds as ( -- what has fewer nodes cannot have too many keys, and that is nearly everything
    select component
    from {{ components }}
    group by component
    having count(*) > (select keys_per_customer from {{ run }})
),

whole_0 as (
    select claims.record_key, claims.identity_key, claims.rule
    from {{ claims }} as claims
    inner join {{ components }} as components on components.node = claims.record_key
    inner join crowds on crowds.component = components.component
    where claims.refused is null
),

{% for rule in rules %}
{%- set before, now = loop.index0, loop.index -%}
{{ _components('whole_' ~ before, 'record_key', 'identity_key', 'labels_' ~ now) }},

too_large_{{ now }} as (
    select labels.component
    from whole_{{ before }} as whole
    inner join labels_{{ now }} as labels on labels.node = whole.record_key
    group by labels.component
    having count(distinct whole.identity_key) > (select keys_per_customer from {{ run }})
),

rest_{{ now }} as (
    select whole.record_key, whole.identity_key, whole.rule
    from whole_{{ before }} as whole
    inner join labels_{{ now }} as labels on labels.node = whole.record_key
    inner join too_large_{{ now }} as too_large on too_large.component = labels.component
),

whole_{{ now }} as (
    select record_key, identity_key, rule from rest_{{ now }} where rule <> '{{ rule }}'
),
{% endfor %}
cut as (
    {% for rule in rules %}
    select record_key, identity_key from rest_{{ loop.index }} where rule = '{{ rule }}'
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select record_key, identity_key from cut
{%- endmacro %}
