{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

with fills as (

    select * from {{ ref('v_fuel_fills') }}

),

valid_intervals as (

    select
        id,
        distance_km,
        interval_litres
    from {{ ref('fill_intervals') }}
    where is_valid

),

-- Per vehicle first: counting distinct vehicles in one step would sort all fills.
vehicle_months as (

    select
        date_trunc('month', fills.filled_at at time zone 'Africa/Nairobi')::date as month,
        fills.department,
        fills.cost_centre,
        fills.assigned_city,
        fills.fuel_type,
        fills.plate,
        count(*) as fills,
        sum(fills.litres) as litres,
        sum(fills.amount_kes) as amount_kes,
        sum(fills.litres) filter (where fills.amount_kes is not null) as priced_litres,
        sum(fills.amount_kes) filter (where fills.litres is not null) as priced_amount_kes,
        sum(valid_intervals.distance_km) as km,
        sum(valid_intervals.interval_litres) as litres_for_km
    from fills
    left join valid_intervals on fills.id = valid_intervals.id
    group by 1, 2, 3, 4, 5, 6

)

select
    month,
    department,
    cost_centre,
    assigned_city,
    fuel_type,
    sum(fills)::bigint as fills,
    count(distinct plate) as vehicles,
    coalesce(sum(litres), 0)::numeric(18, 3) as litres,
    coalesce(sum(amount_kes), 0)::numeric(18, 2) as amount_kes,
    round(sum(priced_amount_kes) / nullif(sum(priced_litres), 0), 4)::numeric(24, 4)
    as average_price_per_litre_kes,
    coalesce(sum(km), 0)::numeric(18, 1) as km,
    round(sum(km) / nullif(sum(litres_for_km), 0), 3)::numeric(24, 3) as km_per_litre
from vehicle_months
group by 1, 2, 3, 4, 5
