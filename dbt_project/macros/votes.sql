{#
    Whose vote an answer is. Relational: one vote per customer, so that only the latest answer counts; an anonymous
    answer and every other answer is a vote of its own.
#}
{% macro voter(responses) -%}
    case
        when {{ responses }}.survey_type = 'relational'
            then coalesce({{ responses }}.customer_id, {{ responses }}.response_id)
        else {{ responses }}.response_id
    end
{%- endmacro %}
