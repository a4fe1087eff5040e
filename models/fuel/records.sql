{{ config(materialized='incremental', unique_key='id', full_refresh=false, on_schema_change='append_new_columns') }}

with raw_records as (

    select * from {{ source('fuel', 'records_raw') }}

)

select
    id,
    {{ feed_text('car') }} as car,
    {{ norm_plate(feed_text('car')) }} as plate,
    {{ feed_text('driver') }} as driver,
    {{ feed_text('department') }} as department_raw,
    {{ canon_department(feed_text('department')) }} as department,
    {{ feed_text('fuel_type') }} as fuel_type_raw,
    {{ canon_fuel_type(feed_text('fuel_type')) }} as fuel_type,
    {{ parse_number(feed_text('litres')) }} as litres,
    {{ parse_number(feed_text('amount')) }} as amount_kes,
    round({{ parse_number(feed_text('amount')) }} / nullif({{ parse_number(feed_text('litres')) }}, 0), 2)
        as price_per_litre_kes,
    {{ parse_number(feed_text('odometer')) }} as odometer_km,
    {{ parse_timestamp(feed_text('filled_at')) }} as filled_at,
    {{ parse_timestamp(feed_text('created_at')) }} as created_at,
    {{ parse_timestamp(feed_text('updated_at')) }} as updated_at,
    {{ parse_timestamp(feed_text('deleted_at')) }} as deleted_at,
    absent_since,
    load_id,
    loaded_at,
    'scaffold'::text as derivation
from raw_records
