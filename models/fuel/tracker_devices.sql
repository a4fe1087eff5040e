{{
    config(
        materialized='incremental',
        incremental_strategy='mirror',
        unique_key='plate',
        full_refresh=false,
        pre_hook='{{ one_build_at_a_time() }}',
        post_hook='{{ analyze_if_much_changed() }}',
        on_schema_change='append_new_columns',
    )
}}

{%- set devices_columns = tracker_columns() %}

with devices as (

    select
        {{ function('norm_plate') }}({{ devices_columns.vehicle_number }}::text) collate "C" as plate,
        nullif(trim({{ devices_columns.imei }}::text), '') as imei,
        {%- for column in ['cost_centre', 'assigned_city'] %}
            {{ visible_text('trim(' ~ devices_columns[column] ~ '::text)') }} as {{ column }},
        {%- endfor %}
        lower(nullif(trim({{ devices_columns.active }}::text), '') collate "C")
        in ('true', '1', 'y', 'yes', 'active', 'enabled') as is_active,
        {{ devices_columns.latest }} as latest
    from {{ source('tracksolid', 'devices') }}
    limit all

),

-- Reports show no phone number that somebody typed into the tracker. A code (`CC-1000234`) is none.
shown_devices as (

    select
        plate,
        {{ public_id('imei') }} as imei,
        {%- for column in ['cost_centre', 'assigned_city'] %}
            case
                when {{ column }} ~ e'^[A-Za-z]{0,5}[-_/. ]?[0-9]{7,8}$' then {{ column }}
                else {{ without_phone_numbers("nullif(" ~ column ~ ", '')") }}
            end as {{ column }},
        {%- endfor %}
        is_active,
        latest
    from devices
    where plate is not null

)

select distinct on (plate)
    plate,
    imei,
    cost_centre,
    assigned_city
from shown_devices
order by
    -- One of which nothing is known may well be in service; one that is switched off is not.
    plate asc, coalesce(is_active, false) desc, is_active is null desc, latest desc nulls last,
    imei asc, cost_centre asc, assigned_city asc
