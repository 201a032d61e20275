{# The one spelling of a field's value, whichever way a CRM writes it: connectors/values.py, said in SQL. #}

{#
    `kind` is an SQL expression: number, text, date or datetime. Empty text is null; what does not fit its kind stays as
    it is, so that it differs from all else. With a time zone, a date is the local date of the moment that the text is.
#}
{% macro field_text(kind, text, timezone=none) -%}
    case
        when trim({{ text }}) = '' then null
        when {{ kind }} = 'number' then coalesce({{ number_text('trim(' ~ text ~ ')') }}, trim({{ text }}))
        {%- if timezone %}
        when {{ kind }} = 'date'
            then coalesce(cast({{ local_date(utc_timestamp(text), timezone) }} as varchar), trim({{ text }}))
        {%- endif %}
        when {{ kind }} = 'date' then coalesce({{ date_text('trim(' ~ text ~ ')') }}, trim({{ text }}))
        when {{ kind }} = 'datetime' then coalesce({{ moment_text(utc_timestamp(text)) }}, trim({{ text }}))
        else trim({{ text }})
    end
{%- endmacro %}
