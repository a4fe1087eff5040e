{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

-- No `with` here: PostgreSQL plans what has one by itself, and would sort all fills to show the newest fifty.
select
    records.id,
    records.plate,
    records.car,
    {{ shown_driver('records.driver') }} as driver,
    records.department,
    records.department_raw,
    records.fuel_type,
    records.fuel_type_raw,
    records.litres,
    records.amount_kes,
    records.price_per_litre_kes,
    records.odometer_km,
    records.filled_at,
    tracker_devices.cost_centre,
    tracker_devices.assigned_city,
    tracker_devices.imei,
    (records.filled_at at time zone 'Africa/Nairobi')::date as filled_on,
    records.has_time,
    records.filled_at_source,
    records.created_at,
    records.updated_at,
    records.loaded_at,
    regulated_price.max_price_kes_per_litre::numeric(8, 2) as max_price_kes_per_litre,
    case
        when records.price_per_litre_kes > regulated_price.max_price_kes_per_litre
            then records.amount_kes - records.litres * regulated_price.max_price_kes_per_litre
        when records.price_per_litre_kes <= regulated_price.max_price_kes_per_litre then 0
    end::numeric(14, 2) as overpaid_kes,
    {{ counts_as_spend('records.id') }} as counts_as_spend
from {{ ref('records') }} as records
left join {{ ref('tracker_devices') }} as tracker_devices on records.plate = tracker_devices.plate
{{ regulated_price('records', 'tracker_devices.assigned_city') }}
where records.deleted_at is null and records.absent_since is null
