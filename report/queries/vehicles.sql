-- Each vehicle's last five intervals against its own usual economy, the furthest below first; lost in 30 days.
select
    plate,
    usual_km_per_litre,
    rolling_km_per_litre,
    round(100 * (rolling_km_per_litre / usual_km_per_litre - 1), 1) as difference_percent,
    round(lost_kes_30d) as lost_kes,
    last_filled_at at time zone 'Africa/Nairobi' as last_filled_at
from {reporting}.v_vehicles
where usual_km_per_litre > 0 and rolling_km_per_litre is not null and days_since_last_fill between 0 and 90
order by difference_percent asc, plate asc
