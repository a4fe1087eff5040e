{{
    config(
        materialized='incremental',
        incremental_strategy='upsert',
        unique_key='id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        pre_hook=['{{ one_build_at_a_time() }}', '{{ delete_what_went_back(source("fuel", "records_raw")) }}'],
        post_hook='{{ analyze_if_much_changed() }}',
        indexes=[
            {'columns': ['load_id']},
            {'columns': ['derivation']},
            {'columns': ['department_raw', 'department']},
            {'columns': ['fuel_type_raw', 'fuel_type']},
            {'columns': ['plate', 'filled_at']},
            {'columns': ['filled_at']},
        ],
    )
}}

{%- set fingerprint = records_fingerprint() %}
{%- set canonical = {
    'department_raw': ('department', function('canon_department')),
    'fuel_type_raw': ('fuel_type', function('canon_fuel_type')),
} %}
{#- Which rows are stale is asked first: the planner then sees plain values. -#}
{%- set landing = source('fuel', 'records_raw') %}
{%- set stale = staleness(this, landing, fingerprint, canonical) if is_incremental() else {} %}
{%- set stale_spellings = stale_spellings_condition(stale.get('spellings', {})) %}
{%- set timestamp_parser = function('parse_timestamp') %}

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
    inner join {{ this }} as present on raw_records.id = present.id collate "default"
    where raw_records.load_id <= {{ stale.max_load_id }} and ({{ stale_spellings }})
    {%- endif %}
    {%- endif %}

),

-- People type the same few spellings again and again: each is looked up once. `limit all` keeps the
-- planner from merging the steps: it would evaluate an expression each time it is used, and expect as many
-- spellings as there are records, and sort them.
{%- for field in ['car', 'department', 'fuel_type'] %}
    {{ field }}_texts as (

        select {{ feed_text(field) }} as typed
        from stale_records
        limit all

    ),
{% endfor %}
-- What is indexed is cut to what an index entry holds. Plates and ids are compared byte by byte: with a
-- locale's rules their indexes would take up to three times as long.
plates as materialized (

    select
        typed,
        {{ without_phone_numbers('typed') }} as car,
        {{ function('norm_plate') }}(typed) collate "C" as plate
    from (select distinct typed from car_texts) as spellings

),

departments as materialized (

    select
        typed,
        department_raw,
        {{ function('canon_department') }}(department_raw) as department
    from (
        select
            typed,
            left({{ without_phone_numbers('typed') }}, 200) as department_raw
        from (select distinct typed from department_texts) as spellings
        limit all
    ) as masked

),

fuel_types as materialized (

    select
        typed,
        fuel_type_raw,
        {{ function('canon_fuel_type') }}(fuel_type_raw) as fuel_type
    from (
        select
            typed,
            left({{ without_phone_numbers('typed') }}, 200) as fuel_type_raw
        from (select distinct typed from fuel_type_texts) as spellings
        limit all
    ) as masked

),

field_texts as (

    select
        id collate "C" as id,
        absent_since,
        load_id,
        loaded_at,
        {{ feed_text('car') }} as car_text,
        {{ feed_text('driver') }} as driver_text,
        {{ feed_text('department') }} as department_text,
        {{ feed_text('fuel_type') }} as fuel_type_text,
        {{ feed_text('litres') }} as litres_text,
        {{ feed_text('amount') }} as amount_text,
        {{ feed_text('odometer') }} as odometer_text,
        {{ feed_text('filled_at') }} as filled_at_text,
        {{ feed_text('created_at') }} as created_at_text,
        {{ feed_text('updated_at') }} as updated_at_text,
        {{ feed_text('deleted_at') }} as deleted_at_text
    from stale_records
    limit all

),

parsed as (

    select
        *,
        {{ parse_number('litres_text') }} as litres_number,
        {{ parse_number('amount_text') }} as amount_number,
        {{ parse_number('odometer_text') }} as odometer_number,
        {{ parse_timestamp('filled_at_text', timestamp_parser ~ '(filled_at_text)') }} as filled_at,
        {{ parse_timestamp('created_at_text', timestamp_parser ~ '(created_at_text)') }} as created_at,
        {{ parse_timestamp('deleted_at_text', timestamp_parser ~ '(deleted_at_text)') }} as stated_deleted_at
    from field_texts
    limit all

),

measured as (

    select
        *,
        {{ without_phone_numbers('driver_text') }} as driver,
        -- No fill is ten million litres, shillings or km; a phone number or a date in its place would be.
        {{ number_or_null('litres_number', 10, 3) }}::numeric(12, 3) as litres,
        {{ number_or_null('amount_number', 9, 2) }}::numeric(14, 2) as amount_kes,
        {{ number_or_null('odometer_number', 8, 1) }}::numeric(12, 1) as odometer_km,
        -- Most records were never edited.
        case
            when updated_at_text = created_at_text then created_at
            else {{ parse_timestamp('updated_at_text', timestamp_parser ~ '(updated_at_text)') }}
        end as updated_at
    from parsed
    limit all

),

deleted as (

    -- `true` or a time of this century that cannot be read is a deletion all the same. Whatever else stands
    -- there, as a time long ago or never to come, is an exporter's word for none.
    select
        *,
        case
            when
                stated_deleted_at is null
                and deleted_at_text ~* '^(?:t(?:rue)?|y(?:es)?|1)$|delet|remov|(?:^|[^0-9])20[0-9]{2}'
                then coalesce(updated_at, loaded_at)
            else stated_deleted_at
        end as deleted_at
    from measured
    limit all

),

priced as (

    select
        *,
        case
            when litres > 0 then {{ number_or_null('amount_kes / litres', 14, 4) }}
        end as price_per_litre_kes
    from deleted
    limit all

)

select
    priced.id,
    plates.car,
    plates.plate,
    priced.driver,
    departments.department_raw,
    departments.department,
    fuel_types.fuel_type_raw,
    fuel_types.fuel_type,
    priced.litres,
    priced.amount_kes,
    priced.price_per_litre_kes,
    priced.odometer_km,
    priced.filled_at,
    priced.created_at,
    priced.updated_at,
    priced.deleted_at,
    priced.absent_since,
    priced.load_id,
    priced.loaded_at,
    '{{ fingerprint }}'::text as derivation
from priced
left join plates on priced.car_text = plates.typed
left join departments on priced.department_text = departments.typed
left join fuel_types on priced.fuel_type_text = fuel_types.typed
