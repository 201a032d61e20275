{# Every row names a record of a person or of an answer that was landed; joins also say with whom. #}
{% test names_landed_records(model) %}
select named.source_record_id
from {{ model }} as named
left join {{ ref('int_records') }} as records
    on
        records.source_system = named.source_system
        and records.source_stream = named.source_stream
        and records.source_record_id = named.source_record_id
        and records.role in ('person', 'response')
where records.source_record_id is null or (named.decision = 'join' and coalesce(trim(named.person), '') = '')
{% endtest %}
