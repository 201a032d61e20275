{# The whole of the NPS maths, once. Cut-offs, formula and interval stand nowhere else. #}

{# A whole number from 0 to 10, or null; text such as '9.0' is whole, '9.5' and '1,000' are not. #}
{% macro nps_score(score_text) -%}
    case
        when {{ matches(score_text, '^[+-]?[0-9]{1,3}([.,]0{1,2})?$') }}
            and cast({{ score_integer(score_text) }} as integer) between 0 and 10
        then cast({{ score_integer(score_text) }} as integer)
    end
{%- endmacro %}

{% macro score_integer(score_text) -%}
    {{ extract_text(score_text, '^[+-]?[0-9]+') }}
{%- endmacro %}

{% macro nps_category(score) -%}
    case
        when {{ score }} is null then null
        when {{ score }} >= 9 then 'promoter'
        when {{ score }} >= 7 then 'passive'
        else 'detractor'
    end
{%- endmacro %}

{# nps = 100 * (promoters - detractors) / responses; null for none #}
{% macro nps(promoters, detractors, responses) -%}
    cast(round(100.0 * ({{ promoters }} - {{ detractors }}) / nullif({{ responses }}, 0), 4) as decimal(7, 4))
{%- endmacro %}

{#
    Adjusted Wald interval at 95 %: three answers are added, 3/4 of one to the promoters, 3/4 of one to the
    detractors; z = 1.959964; clipped to +-100. `sign` is '-' for the low end, '+' for the high end.
#}
{% macro nps_interval(sign, promoters, detractors, responses) -%}
    {%- set p = '((' ~ promoters ~ ' + 0.75) / (' ~ responses ~ ' + 3.0))' -%}
    {%- set d = '((' ~ detractors ~ ' + 0.75) / (' ~ responses ~ ' + 3.0))' -%}
    {%- set centre = '(' ~ p ~ ' - ' ~ d ~ ')' -%}
    {%- set deviation = 'sqrt((' ~ p ~ ' + ' ~ d ~ ' - ' ~ centre ~ ' * ' ~ centre ~ ') / (' ~ responses ~ ' + 3.0))' -%}
    cast(round(greatest(-100.0, least(100.0, 100.0 * ({{ centre }} {{ sign }} 1.959964 * {{ deviation }}))), 4) as decimal(7, 4))
{%- endmacro %}
