{# What differs between engines, one dispatching macro each. Models call these and stay portable. #}

{% macro matches(text, pattern) -%}
    {{ adapter.dispatch('matches')(text, pattern) }}
{%- endmacro %}
{% macro duckdb__matches(text, pattern) -%}
    regexp_matches({{ text }}, '{{ pattern }}')
{%- endmacro %}

{% macro extract_text(text, pattern) -%}
    {{ adapter.dispatch('extract_text')(text, pattern) }}
{%- endmacro %}
{% macro duckdb__extract_text(text, pattern) -%}
    regexp_extract({{ text }}, '{{ pattern }}')
{%- endmacro %}

{# Text in lower case, white space folded to single blanks and trimmed; null becomes ''. #}
{% macro fold_text(text) -%}
    {{ adapter.dispatch('fold_text')(text) }}
{%- endmacro %}
{% macro duckdb__fold_text(text) -%}
    trim(regexp_replace(lower(coalesce({{ text }}, '')), '\s+', ' ', 'g'))
{%- endmacro %}

{#
    H: the first 128 bits of sha256 over length-prefixed UTF-8 parts, hexadecimal. `parts` are SQL expressions of text.
    The length prefix keeps ('ab', 'c') and ('a', 'bc') apart.
#}
{% macro stable_id(parts) -%}
    {{ adapter.dispatch('stable_id')(parts) }}
{%- endmacro %}
{% macro duckdb__stable_id(parts) -%}
    left(sha256(concat(
        {%- for part in parts -%}
        strlen({{ part }}), ':', {{ part }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    )), 32)
{%- endmacro %}

{# The local calendar date of a UTC timestamp. #}
{% macro local_date(timestamp_utc, timezone) -%}
    {{ adapter.dispatch('local_date')(timestamp_utc, timezone) }}
{%- endmacro %}
{% macro duckdb__local_date(timestamp_utc, timezone) -%}
    cast(({{ timestamp_utc }} at time zone 'UTC') at time zone {{ timezone }} as date)
{%- endmacro %}

{# Seconds between two timestamps, never negative. #}
{% macro seconds_apart(one, other) -%}
    {{ adapter.dispatch('seconds_apart')(one, other) }}
{%- endmacro %}
{% macro duckdb__seconds_apart(one, other) -%}
    abs(epoch({{ one }}) - epoch({{ other }}))
{%- endmacro %}

{#
    One document column from JSON text, parsed once: `fields` maps a conformed name to a path such as '$.mapped.score'.
    `json_field` reads one of them from that document; everything is text until a model types it.
#}
{% macro parse_json(payload, fields) -%}
    {{ adapter.dispatch('parse_json')(payload, fields) }}
{%- endmacro %}
{% macro duckdb__parse_json(payload, fields) -%}
    {%- set tree = {} -%}
    {%- for path in fields.values() -%}
        {%- set keys = path.split('.')[1:] -%}
        {%- set place = namespace(node=tree) -%}
        {%- for key in keys[:-1] -%}
            {%- if key not in place.node -%}{%- do place.node.update({key: {}}) -%}{%- endif -%}
            {%- set place.node = place.node[key] -%}
        {%- endfor -%}
        {%- do place.node.update({keys[-1]: 'VARCHAR'}) -%}
    {%- endfor -%}
    json_transform({{ payload }}, '{{ tojson(tree) }}')
{%- endmacro %}

{% macro json_field(document, path) -%}
    {{ adapter.dispatch('json_field')(document, path) }}
{%- endmacro %}
{% macro duckdb__json_field(document, path) -%}
    {{ document }}.{{ path.split('.')[1:] | join('.') }}
{%- endmacro %}

{#
    Connected components of an undirected graph. `edges` is a relation whose columns `node_a` and `node_b` are the ends
    of its edges. Rows: node, component (the smallest node of its component). A node without an edge has no row.
#}
{% macro connected_components(edges, node_a, node_b) -%}
    {{ adapter.dispatch('connected_components')(edges, node_a, node_b) }}
{%- endmacro %}
{% macro duckdb__connected_components(edges, node_a, node_b) -%}
with recursive arrows (source_node, target_node) as (
    select {{ node_a }}, {{ node_b }} from {{ edges }}
    union
    select {{ node_b }}, {{ node_a }} from {{ edges }}
),

labels (node, component) using key (node) as (
    select distinct source_node, source_node from arrows
    union
    select arrows.target_node, min(labels.component)
    from labels
    inner join arrows on arrows.source_node = labels.node
    inner join recurring.labels as known on known.node = arrows.target_node
    where labels.component < known.component
    group by arrows.target_node
)

select node, component from labels
{%- endmacro %}

{#
    A digest of a relation's content, independent of row order: rows are hashed, hashes sorted in 4,096 buckets, so
    memory stays bounded. Null for an empty relation is turned into the digest of nothing.
#}
{% macro content_digest(relation, columns) -%}
    {{ adapter.dispatch('content_digest')(relation, columns) }}
{%- endmacro %}
{% macro duckdb__content_digest(relation, columns) -%}
    (
        select sha256(coalesce(string_agg(bucket_digest, '' order by bucket_digest), ''))
        from (
            select sha256(string_agg(row_digest, '' order by row_digest)) as bucket_digest
            from (
                select sha256(cast(to_json(struct_pack({% for column in columns %}{{ column }} := {{ column }}{{ ', ' if not loop.last }}{% endfor %})) as varchar)) as row_digest
                from {{ relation }}
            ) as digested_rows
            group by left(row_digest, 3)
        ) as buckets
    )
{%- endmacro %}

{# The value of the row with the greatest (timestamp, tiebreak) in a group. #}
{% macro latest_by(value, timestamp, tiebreak) -%}
    {{ adapter.dispatch('latest_by')(value, timestamp, tiebreak) }}
{%- endmacro %}
{% macro duckdb__latest_by(value, timestamp, tiebreak) -%}
    arg_max({{ value }}, ({{ timestamp }}, {{ tiebreak }}))
{%- endmacro %}

{# JSON text of a group: a list of one column in order, or an object of two columns. #}
{% macro json_list(column, order_by) -%}
    {{ adapter.dispatch('json_list')(column, order_by) }}
{%- endmacro %}
{% macro duckdb__json_list(column, order_by) -%}
    cast(to_json(coalesce(list({{ column }} order by {{ order_by }}), [])) as varchar)
{%- endmacro %}

{% macro json_map(key, value) -%}
    {{ adapter.dispatch('json_map')(key, value) }}
{%- endmacro %}
{% macro duckdb__json_map(key, value) -%}
    cast(json_group_object({{ key }}, {{ value }}) as varchar)
{%- endmacro %}

{# One sha256 over several pieces of text. #}
{% macro digest_of(parts) -%}
    {{ adapter.dispatch('digest_of')(parts) }}
{%- endmacro %}
{% macro duckdb__digest_of(parts) -%}
    sha256(concat({% for part in parts %}{{ part }}, '|'{{ ', ' if not loop.last }}{% endfor %}))
{%- endmacro %}
