-- The median price paid against the median of the regulated maxima of date and town, by week, in 26 weeks.
select
    date_trunc('week', filled_at at time zone 'Africa/Nairobi')::date as week,
    fuel_type,
    round(percentile_cont(0.5) within group (order by price_per_litre_kes)::numeric, 2) as paid_kes_per_litre,
    round(percentile_cont(0.5) within group (order by max_price_kes_per_litre)::numeric, 2) as maximum_kes_per_litre,
    count(*) as fills,
    count(*) filter (where overpaid_kes > 0) as fills_above,
    round(coalesce(sum(overpaid_kes), 0)) as overpaid_kes
from {reporting}.v_fuel_fills
where
    filled_at >= date_trunc('week', now() at time zone 'Africa/Nairobi') at time zone 'Africa/Nairobi' - interval '25 weeks'
    and filled_at <= now()
    and price_per_litre_kes > 0
    and max_price_kes_per_litre is not null
group by week, fuel_type
order by fuel_type asc, week asc
