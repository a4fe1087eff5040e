-- Fills of 30 days whose message left a column empty or unreadable.
select
    columns.name as column,
    count(*) as fills,
    count(*) filter (where columns.is_missing) as fills_without,
    round(100.0 * count(*) filter (where columns.is_missing) / count(*), 1) as percent_without
from {reporting}.v_fuel_fills as fills
cross join lateral (
    values
    ('plate', fills.plate is null),
    ('department', fills.department is null),
    ('fuel', fills.fuel_type is null),
    ('litres', fills.litres is null),
    ('amount', fills.amount_kes is null),
    ('odometer', fills.odometer_km is null)
) as columns (name, is_missing)
where fills.filled_at between now() - interval '30 days' and now()
group by columns.name
order by percent_without desc, columns.name asc
