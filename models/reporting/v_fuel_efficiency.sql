{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

-- Every figure comes from one table: a query during a build sees all of them from before or from after.
-- No `with` here: PostgreSQL plans what has one by itself, and would sort all fills to show the newest fifty.
select
    fill_intervals.id,
    fill_intervals.plate,
    fill_intervals.filled_at,
    records.department,
    tracker_devices.cost_centre,
    fill_intervals.fuel_type,
    fill_intervals.litres,
    fill_intervals.amount_kes,
    fill_intervals.odometer_km,
    fill_intervals.previous_odometer_km,
    fill_intervals.distance_km,
    fill_intervals.days_since_previous,
    fill_intervals.interval_litres,
    fill_intervals.interval_amount_kes,
    fill_intervals.km_per_litre,
    fill_intervals.litres_per_100km,
    fill_intervals.kes_per_km,
    fill_intervals.rolling_km_per_litre,
    fill_intervals.rolling_intervals,
    fill_intervals.is_valid,
    fill_intervals.exclusion_reason,
    fill_intervals.usual_km_per_litre,
    fill_intervals.lost_kes,
    tracker_devices.assigned_city
from {{ ref('fill_intervals') }} as fill_intervals
left join {{ ref('records') }} as records on fill_intervals.id = records.id
left join {{ ref('tracker_devices') }} as tracker_devices on fill_intervals.plate = tracker_devices.plate
where fill_intervals.exclusion_reason is distinct from 'not_live'
