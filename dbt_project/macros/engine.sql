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
    One document column from JSON text, parsed once: `paths` are all the JSON paths that will be read from it.
    `json_field` reads one of them; everything is text until a model types it.

    A path is `$.key.key`; `key[name=value]` is the member of a list whose `name` is `value`, `key[0]` a list's first.
#}
{% macro parse_json(payload, paths) -%}
    {{ adapter.dispatch('parse_json')(payload, paths) }}
{%- endmacro %}
{% macro duckdb__parse_json(payload, paths) -%}
    {%- set tree = {} -%}
    {%- for path in paths -%}
        {%- set place = namespace(node=tree) -%}
        {%- for key, member in path_steps(path) -%}
            {%- if loop.last and member -%}
                {%- do place.node.update({key: ['VARCHAR']}) -%}
            {%- elif loop.last -%}
                {%- do place.node.update({key: 'VARCHAR'}) -%}
            {%- elif member -%}
                {%- set members = place.node.setdefault(key, [{}]) -%}
                {%- set place.node = members[0] -%}
                {%- if '=' in member -%}{%- do place.node.update({member.split('=')[0]: 'VARCHAR'}) -%}{%- endif -%}
            {%- else -%}
                {%- set place.node = place.node.setdefault(key, {}) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    json_transform({{ payload }}, {{ dbt.string_literal(dbt.escape_single_quotes(tojson(tree))) }})
{%- endmacro %}

{% macro json_field(document, path) -%}
    {{ adapter.dispatch('json_field')(document, path) }}
{%- endmacro %}
{% macro duckdb__json_field(document, path) -%}
    {%- set place = namespace(sql=document) -%}
    {%- for key, member in path_steps(path) -%}
        {%- set place.sql = place.sql ~ '."' ~ key.replace('"', '""') ~ '"' -%}
        {%- if '=' in member -%}
            {%- set name, value = member.split('=', 1) -%}
            {%- set place.sql = 'list_filter(' ~ place.sql ~ ', lambda member: member."' ~ name ~ '" = '
                ~ dbt.string_literal(dbt.escape_single_quotes(value)) ~ ')[1]' -%}
        {%- elif member -%}
            {%- set place.sql = place.sql ~ '[' ~ (member | int + 1) ~ ']' -%}
        {%- endif -%}
    {%- endfor -%}
    {{ place.sql }}
{%- endmacro %}

{# The steps of a path, each as (key, what stands in its brackets or ''). #}
{% macro path_steps(path) -%}
    {{ return(modules.re.findall('([^.\\[\\]]+)(?:\\[([^\\]]*)\\])?', path[2:])) }}
{%- endmacro %}

{# JSON text of an object: `members` maps its keys to SQL expressions of text. #}
{% macro json_object_text(members) -%}
    {{ adapter.dispatch('json_object_text')(members) }}
{%- endmacro %}
{% macro duckdb__json_object_text(members) -%}
    cast(json_object(
        {%- for key, value in members.items() -%}
        {{ dbt.string_literal(dbt.escape_single_quotes(key)) }}, {{ value }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    ) as varchar)
{%- endmacro %}

{# The text of a member of a JSON object; `key` is an SQL expression. #}
{% macro json_member(object_text, key) -%}
    {{ adapter.dispatch('json_member')(object_text, key) }}
{%- endmacro %}
{% macro duckdb__json_member(object_text, key) -%}
    json_extract_string({{ object_text }}, concat('$."', {{ key }}, '"'))
{%- endmacro %}

{# A whole number or a truth value from text; null when it is none. #}
{% macro integer_of(text) -%}
    {{ adapter.dispatch('integer_of')(text) }}
{%- endmacro %}
{% macro duckdb__integer_of(text) -%}
    try_cast({{ text }} as integer)
{%- endmacro %}

{% macro boolean_of(text) -%}
    {{ adapter.dispatch('boolean_of')(text) }}
{%- endmacro %}
{% macro duckdb__boolean_of(text) -%}
    try_cast({{ text }} as boolean)
{%- endmacro %}

{#
    A timestamp in UTC from ISO 8601 text, whatever its offset is written like (Z, +0000, +02:00, none: UTC). Null when
    it cannot be read: one bad cell must not stop a build. A cast to a plain timestamp would ignore the offset.
#}
{% macro utc_timestamp(text) -%}
    {{ adapter.dispatch('utc_timestamp')(text) }}
{%- endmacro %}
{% macro duckdb__utc_timestamp(text) -%}
    case
        when regexp_matches({{ text }}, '^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?\s*$')
            then try_cast({{ text }} as timestamp)
        when regexp_matches({{ text }}, '^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9]{2}(:?[0-9]{2})?)\s*$')
            then try_cast(regexp_replace({{ text }}, '([T ][0-9]{2}:[0-9]{2})(Z|[+-])', '\1:00\2') as timestamptz)
                at time zone 'UTC'
    end
{%- endmacro %}

{# A timestamp in UTC as text in whole seconds: 2026-03-01T09:30:00Z. #}
{% macro moment_text(timestamp_utc) -%}
    {{ adapter.dispatch('moment_text')(timestamp_utc) }}
{%- endmacro %}
{% macro duckdb__moment_text(timestamp_utc) -%}
    strftime({{ timestamp_utc }}, '%Y-%m-%dT%H:%M:%SZ')
{%- endmacro %}

{# A number without an exponent and without trailing zeros; null when the text is no number. #}
{% macro number_text(text) -%}
    {{ adapter.dispatch('number_text')(text) }}
{%- endmacro %}
{% macro duckdb__number_text(text) -%}
    rtrim(rtrim(cast(try_cast({{ text }} as decimal(38, 10)) as varchar), '0'), '.')
{%- endmacro %}

{# A calendar date from the first ten characters of text: 2026-03-01; null when it is none. #}
{% macro date_text(text) -%}
    {{ adapter.dispatch('date_text')(text) }}
{%- endmacro %}
{% macro duckdb__date_text(text) -%}
    case
        when regexp_matches({{ text }}, '^[0-9]{4}-[0-9]{2}-[0-9]{2}')
            then cast(try_cast(left({{ text }}, 10) as date) as varchar)
    end
{%- endmacro %}

{# The host of a web address or domain, as DNS has it, without www: acme.example; null when it is none. #}
{% macro web_domain(text) -%}
    {{ adapter.dispatch('web_domain')(text) }}
{%- endmacro %}
{% macro duckdb__web_domain(text) -%}
    nps_dns_name(nullif(regexp_extract(
        lower(trim({{ text }})), '^(?:[a-z][a-z0-9+.-]*://)?(?:www[.])?([^\s/?#:@]+[.][^\s/?#:@.]+)[.]?(?:[/?#:]|$)', 1
    ), ''))
{%- endmacro %}

{# An address in the one spelling by which addresses are compared (nps_pipeline/person_keys.py); null when it is none. #}
{% macro email_key(text) -%}
    {{ adapter.dispatch('email_key')(text) }}
{%- endmacro %}
{% macro duckdb__email_key(text) -%}
    nps_email_key({{ text }})
{%- endmacro %}

{# A phone number in E.164, read in a country's national form if need be (ISO code or null); null when it is none. #}
{% macro phone_key(text, country) -%}
    {{ adapter.dispatch('phone_key')(text, country) }}
{%- endmacro %}
{% macro duckdb__phone_key(text, country) -%}
    nps_phone_key({{ text }}, {{ country }})
{%- endmacro %}

{# The words of a name in one spelling and order; null when there are none. #}
{% macro name_key(text) -%}
    {{ adapter.dispatch('name_key')(text) }}
{%- endmacro %}
{% macro duckdb__name_key(text) -%}
    nps_name_key({{ text }})
{%- endmacro %}

{# Text of the rows of a group in one, a line each. #}
{% macro joined_lines(text, order_by) -%}
    {{ adapter.dispatch('joined_lines')(text, order_by) }}
{%- endmacro %}
{% macro duckdb__joined_lines(text, order_by) -%}
    string_agg({{ text }}, chr(10) order by {{ order_by }})
{%- endmacro %}

{# A row for each id in a text that lists several, whatever stands between them. #}
{% macro each_id(text) -%}
    {{ adapter.dispatch('each_id')(text) }}
{%- endmacro %}
{% macro duckdb__each_id(text) -%}
    unnest(regexp_extract_all({{ text }}, '[a-zA-Z0-9_-]+'))
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

{# The first value of a group that is not null, in the order of `rank`. #}
{% macro first_by(value, rank) -%}
    {{ adapter.dispatch('first_by')(value, rank) }}
{%- endmacro %}
{% macro duckdb__first_by(value, rank) -%}
    arg_min({{ value }}, {{ rank }})
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
