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

confirmed as (

    select
        plate,
        filled_month,
        department_raw,
        fuel_type,
        count(*) as fills,
        coalesce(sum(litres), 0) as litres,
        coalesce(sum(amount_kes), 0) as amount_kes,
        coalesce(sum(litres) filter (where litres > 0 and amount_kes > 0), 0) as priced_litres,
        coalesce(sum(amount_kes) filter (where litres > 0 and amount_kes > 0), 0) as priced_amount_kes
    from ({{ confirmed_duplicates() }}) as duplicates
    group by plate, filled_month, department_raw, fuel_type

),

vehicle_months as (

    -- Added up by the build, but for the duplicates that somebody confirmed.
    select
        sums.filled_month,
        sums.plate,
        sums.department_raw,
        sums.fuel_type,
        sums.month_fills - coalesce(confirmed.fills, 0) as month_fills,
        sums.month_litres - coalesce(confirmed.litres, 0) as month_litres,
        sums.month_amount_kes - coalesce(confirmed.amount_kes, 0) as month_amount_kes,
        sums.month_priced_litres - coalesce(confirmed.priced_litres, 0) as month_priced_litres,
        sums.month_priced_amount_kes - coalesce(confirmed.priced_amount_kes, 0) as month_priced_amount_kes,
        sums.month_km,
        sums.month_km_litres
    from {{ ref('fill_intervals') }} as sums
    left join confirmed
        on
            sums.plate = confirmed.plate
            and sums.filled_month = confirmed.filled_month
            and sums.department_raw is not distinct from confirmed.department_raw
            and sums.fuel_type is not distinct from confirmed.fuel_type
    where sums.month_fills > coalesce(confirmed.fills, 0)

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
