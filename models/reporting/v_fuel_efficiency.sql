{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

with records as (

    select * from {{ ref('records') }}

),

fill_intervals as (

    select * from {{ ref('fill_intervals') }}

),

tracker_devices as (

    select * from {{ ref('tracker_devices') }}

),

final as (

    -- Every figure comes from one table: a query during a build sees all of them from before or from after.
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
        fill_intervals.exclusion_reason
    from fill_intervals
    left join records on fill_intervals.id = records.id
    left join tracker_devices on fill_intervals.plate = tracker_devices.plate
    where fill_intervals.exclusion_reason is distinct from 'not_live'

)

select * from final
