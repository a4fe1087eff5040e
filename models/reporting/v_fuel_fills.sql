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
    tracker_devices.imei
from {{ ref('records') }} as records
left join {{ ref('tracker_devices') }} as tracker_devices on records.plate = tracker_devices.plate
where records.deleted_at is null and records.absent_since is null
