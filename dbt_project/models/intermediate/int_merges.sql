-- What sources say of merges: one row per record and other record of its stream that is one with it since then.
with landed as (
    {% for relation in ['stg_people', 'stg_accounts'] %}
        select
            source_system,
            source_stream,
            source_record_id,
            load_id,
            load_seq,
            row_no,
            source_version,
            is_deleted,
            merged_ids,
            nullif(trim(merged_into), '') as merged_into
        from {{ ref(relation) }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- The record that is left lists those that went into it.
listed as (
    select
        records.source_system,
        records.source_stream,
        records.source_record_id,
        {{ each_id('contents.merged_ids') }} as other_record_id
    from {{ ref('int_records') }} as records
    inner join landed as contents
        on
            contents.load_id = records.content_load_id
            and contents.row_no = records.content_row_no
    where contents.merged_ids <> ''
),

-- The record that went names the one that is left, and says so in its delete, which is no content.
went as (
    select distinct
        source_system,
        source_stream,
        source_record_id
    from landed
    where merged_into is not null
),

-- A later delete need not repeat it, as after a purge; once the record was live again, it holds no more.
told as (
    select
        landed.*,
        row_number() over (
            partition by landed.source_system, landed.source_stream, landed.source_record_id
            order by landed.source_version desc nulls last, landed.load_seq desc, landed.row_no desc
        ) as place
    from landed
    inner join went
        on
            went.source_system = landed.source_system
            and went.source_stream = landed.source_stream
            and went.source_record_id = landed.source_record_id
    where not landed.is_deleted or landed.merged_into is not null
),

merged as (
    select * from listed
    union all
    select
        source_system,
        source_stream,
        source_record_id,
        merged_into as other_record_id
    from told
    where place = 1 and is_deleted
)

-- An id may be there twice, and in two spellings; a record that kept its own id may name itself.
select
    source_system,
    source_stream,
    source_record_id,
    min(other_record_id) as other_record_id
from merged
where
    {{ comparable_id('source_system', 'other_record_id') }} <> {{ comparable_id('source_system', 'source_record_id') }}
group by
    source_system,
    source_stream,
    source_record_id,
    {{ comparable_id('source_system', 'other_record_id') }}
