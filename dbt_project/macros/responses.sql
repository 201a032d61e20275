{# How a channel or touchpoint is looked up: lower case, blanks and hyphens as _. #}
{% macro term(text) -%}
    replace(replace(lower(trim({{ text }})), ' ', '_'), '-', '_')
{%- endmacro %}

{# Why a score that is there is no NPS score. #}
{% macro refused_score_reason(score_text) -%}
    case
        when {{ matches(score_text, '^[+-]?[0-9]+([.,]0{1,2})?$') }} then 'score_out_of_scale'
        when {{ matches(score_text, '^[+-]?[0-9]+[.,][0-9]+$') }} then 'score_not_whole'
        else 'score_not_a_number'
    end
{%- endmacro %}

{# A record of one source as one text key, for graphs; the separator cannot occur in a source or stream name. #}
{% macro record_key(alias) -%}
    concat({{ alias }}.source_system, '/', {{ alias }}.source_stream, '/', {{ alias }}.source_record_id)
{%- endmacro %}
