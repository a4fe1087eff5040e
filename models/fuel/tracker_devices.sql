{{
    config(
        materialized='incremental',
        incremental_strategy='mirror',
        unique_key='plate',
        full_refresh=false,
        post_hook='{{ analyze_if_much_changed() }}',
        on_schema_change='append_new_columns',
    )
}}

{%- set devices_columns = tracker_columns() %}

with devices as (

    select
        {{ function('norm_plate') }}({{ devices_columns.vehicle_number }}::text) collate "C" as plate,
        nullif(trim({{ devices_columns.imei }}::text), '') as imei,
        nullif(trim({{ devices_columns.cost_centre }}::text), '') as cost_centre,
        nullif(trim({{ devices_columns.assigned_city }}::text), '') as assigned_city,
        lower(nullif(trim({{ devices_columns.active }}::text), ''))
        in ('true', '1', 'y', 'yes', 'active', 'enabled') as is_active,
        {{ devices_columns.latest }} as latest
    from {{ source('tracksolid', 'devices') }}

)

select distinct on (plate)
    plate,
    imei,
    cost_centre,
    assigned_city
from devices
where plate is not null
order by
    -- One of which nothing is known may well be in service; one that is switched off is not.
    plate asc, coalesce(is_active, false) desc, is_active is null desc, latest desc nulls last,
    imei asc, cost_centre asc, assigned_city asc
