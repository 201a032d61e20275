{# Each landed row of a role is in the model: what is parsed once per load can neither be forgotten nor cut short. #}
{% test holds_every_row(model, role) %}
select
    landed.load_id,
    landed.row_no
from {{ ref('stg_records') }} as landed
inner join {{ ref('stg_loads') }} as loads on loads.load_id = landed.load_id
left join {{ model }} as parsed
    on
        parsed.load_id = landed.load_id
        and parsed.row_no = landed.row_no
where loads.role = '{{ role }}' and parsed.load_id is null
{% endtest %}
