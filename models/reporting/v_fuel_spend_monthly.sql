{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

with recursive spellings (spelling) as (

    {{ each_spelling(ref('records'), 'department_raw') }}

),

departments as (

    -- An alias edit reaches this report without any vehicle being worked out anew. Joined, not selected: what
    -- is asked of a department reaches the sums before they are sorted.
    select
        spellings.spelling,
        of_spelling.department
    from spellings
    left join lateral (
        select records.department
        from {{ ref('records') }} as records
        where records.department_raw = spellings.spelling
        order by records.department_raw, records.department
        limit 1
    ) as of_spelling on true
    where spellings.spelling is not null

),

vehicle_months as (

    -- Added up by the build; every figure comes from one table, from before a build or from after it.
    select * from {{ ref('fill_intervals') }}
    where month_fills is not null

),

tracker_devices as (

    select * from {{ ref('tracker_devices') }}

)

select
    vehicle_months.filled_month as month,
    departments.department,
    tracker_devices.cost_centre,
    tracker_devices.assigned_city,
    vehicle_months.fuel_type,
    sum(vehicle_months.month_fills)::bigint as fills,
    count(distinct vehicle_months.plate) as vehicles,
    coalesce(sum(vehicle_months.month_litres), 0)::numeric(18, 3) as litres,
    coalesce(sum(vehicle_months.month_amount_kes), 0)::numeric(18, 2) as amount_kes,
    round(
        sum(vehicle_months.month_priced_amount_kes) / nullif(sum(vehicle_months.month_priced_litres), 0), 4
    )::numeric(24, 4) as average_price_per_litre_kes,
    coalesce(sum(vehicle_months.month_km), 0)::numeric(18, 1) as km,
    round(sum(vehicle_months.month_km) / nullif(sum(vehicle_months.month_km_litres), 0), 3)::numeric(24, 3)
    as km_per_litre
from vehicle_months
left join departments on vehicle_months.department_raw = departments.spelling
left join tracker_devices on vehicle_months.plate = tracker_devices.plate
group by
    vehicle_months.filled_month,
    departments.department,
    tracker_devices.cost_centre,
    tracker_devices.assigned_city,
    vehicle_months.fuel_type
