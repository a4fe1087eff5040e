{%- set alias_fields = var('aliases').keys() | list %}
{%- set raw_columns, alias_indexes = [], [] %}
{%- for field in alias_fields %}
    {%- do raw_columns.append(field ~ '_raw') %}
    {%- do alias_indexes.append({'columns': [field ~ '_raw', field]}) %}
{%- endfor %}
{{
    config(
        materialized='incremental',
        incremental_strategy='upsert',
        unique_key='id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        pre_hook=['{{ one_build_at_a_time() }}', '{{ delete_what_went_back(source("fuel", "records_raw"), records_fingerprint(), public_id("latest.id")) }}'],
        post_hook='{{ analyze_if_much_changed() }}',
        indexes=[
            {'columns': ['load_id']},
            {'columns': ['derivation']},
            {'columns': ['plate', 'filled_at']},
            {'columns': ['filled_at']},
            {'columns': ['filled_at desc nulls last', 'id desc']},
            {'columns': ['loaded_at', 'id']},
            {'columns': ['filled_at_source']},
        ] + alias_indexes,
    )
}}

{%- set fingerprint = records_fingerprint() %}
{#- Which rows are stale is asked first: the planner then sees plain values. -#}
{%- set landing = source('fuel', 'records_raw') %}
{%- set stale = staleness(this, landing, fingerprint, raw_columns) if is_incremental() else {} %}
{%- set stale_spellings = stale_spellings_condition(stale.get('spellings', {})) %}

with raw_records as not materialized (

    select * from {{ source('fuel', 'records_raw') }}

),

-- Read again for the distinct spellings: better than a copy of all raw rows on disk. The few rows of some
-- spellings are looked up once. The landing's index on ids is in the database's own collation.
stale_records as {{ 'materialized' if stale_spellings and not stale.all_rows else 'not materialized' }} (

    select * from raw_records
    {%- if stale.get('max_load_id') and not stale.all_rows %}
    where load_id > {{ stale.max_load_id }}
    {%- if stale_spellings %}
    union all
    select raw_records.*
    from raw_records
    inner join {{ this }} as present on raw_records.id = coalesce(present.raw_id, present.id) collate "default"
    where raw_records.load_id <= {{ stale.max_load_id }} and ({{ stale_spellings }})
    {%- endif %}
    {%- endif %}

),

-- People type the same few spellings again and again: each is looked up once. `limit all` keeps the
-- planner from merging the steps: it would evaluate an expression each time it is used, and expect as many
-- spellings as there are records, and sort them.
{%- for field in ['car'] + alias_fields %}
    {{ field }}_texts as (

        select {{ feed_text(field) }} as typed
        from stale_records
        limit all

    ),
{% endfor %}
-- Indexed texts are cut to the size of an index entry. Plates and ids are compared byte by byte: with a
-- locale's rules their indexes would take up to three times as long.
plates as materialized (

    select
        typed,
        {{ without_phone_numbers('visible') }} as car,
        {{ function('norm_plate') }}(typed) collate "C" as plate
    from (
        select
            typed,
            {{ visible_text('typed') }} as visible
        from (select distinct typed from car_texts) as spellings
        limit all
    ) as texts

),

{%- for field in alias_fields %}
    {{ field }}_spellings as materialized (

        select
            typed,
            left({{ without_phone_numbers('visible') }}, 200) as spelling
        from (
            select
                typed,
                {{ visible_text('typed') }} as visible
            from (select distinct typed from {{ field }}_texts) as spellings
            limit all
        ) as texts

    ),

    {{ field }}_values as materialized (

        {{ canonical_values(
            field, '(select distinct spelling from ' ~ field ~ '_spellings)', alias_list(field)
        ) }}

    ),
{% endfor %}
priced as (

    {{ read_records('stale_records', function('parse_timestamp')) }}

)

select
    priced.id,
    plates.car,
    plates.plate,
    {%- for field in alias_fields %}
        {{ field }}_spellings.spelling as {{ field }}_raw,
        {{ field }}_values.canonical as {{ field }},
    {%- endfor %}
    priced.litres,
    priced.amount_kes,
    priced.price_per_litre_kes,
    priced.odometer_km,
    priced.filled_at,
    priced.filled_at_source,
    priced.has_time,
    priced.created_at,
    priced.updated_at,
    priced.deleted_at,
    priced.absent_since,
    priced.load_id,
    priced.loaded_at,
    '{{ fingerprint }}'::text as derivation,
    priced.filled_at_typed,
    case when priced.landed_id <> priced.id then priced.landed_id end as raw_id
from priced
left join plates on priced.car_text = plates.typed
{%- for field in alias_fields %}
    left join {{ field }}_spellings on priced.{{ field }}_text = {{ field }}_spellings.typed
    left join {{ field }}_values on {{ field }}_spellings.spelling = {{ field }}_values.spelling
{%- endfor %}
