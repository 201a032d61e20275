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

{# Whether text is an e-mail address. #}
{% macro is_email(text) -%}
    {{ matches(text, '^[^@\\s]+@[^@\\s]+[.][^@\\s]+$') }}
{%- endmacro %}
