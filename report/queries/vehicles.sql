-- Each vehicle's last five measured intervals against its own of the year before, the furthest below first.
with intervals as (
    select
        plate,
        filled_at,
        distance_km,
        interval_litres,
        rolling_km_per_litre,
        row_number() over (partition by plate order by filled_at desc, id desc) as newest
    from {reporting}.v_fuel_efficiency
    where is_valid and filled_at between now() - interval '1 year' and now()
),

vehicles as (
    select
        plate,
        sum(distance_km) filter (where newest > 5) / sum(interval_litres) filter (where newest > 5)
        as usual_km_per_litre,
        max(rolling_km_per_litre) filter (where newest = 1) as rolling_km_per_litre,
        max(filled_at) at time zone 'Africa/Nairobi' as last_measured_at
    from intervals
    group by plate
    having count(*) >= 10
)

select
    plate,
    round(usual_km_per_litre, 3) as usual_km_per_litre,
    rolling_km_per_litre,
    round(100 * (rolling_km_per_litre / usual_km_per_litre - 1), 1) as difference_percent,
    last_measured_at
from vehicles
where last_measured_at > (now() - interval '90 days') at time zone 'Africa/Nairobi'
order by difference_percent asc, plate asc
