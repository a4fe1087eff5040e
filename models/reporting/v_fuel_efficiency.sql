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

live_fills as (

    select * from records
    where deleted_at is null and absent_since is null

),

final as (

    -- Between two steps of a build a new fill has no interval yet: it shows without one.
    select
        live_fills.id,
        live_fills.plate,
        live_fills.filled_at,
        live_fills.department,
        tracker_devices.cost_centre,
        live_fills.fuel_type,
        live_fills.litres,
        live_fills.amount_kes,
        live_fills.odometer_km,
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
        coalesce(fill_intervals.is_valid, false) as is_valid,
        case
            when fill_intervals.id is null then 'not_built_yet'
            else fill_intervals.exclusion_reason
        end as exclusion_reason
    from live_fills
    left join fill_intervals on live_fills.id = fill_intervals.id
    left join tracker_devices on live_fills.plate = tracker_devices.plate

)

select * from final
