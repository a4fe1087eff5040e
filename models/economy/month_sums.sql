{%- set sums = {
    'litres': 'litres',
    'amount_kes': 'amount_kes',
    'priced_litres': 'case when litres > 0 and amount_kes > 0 then litres end',
    'priced_amount_kes': 'case when litres > 0 and amount_kes > 0 then amount_kes end',
    'km': 'case when is_valid then distance_km end',
    'km_litres': 'case when is_valid then litres_of_interval end',
} -%}
{%- set is_live = "coalesce(exclusion_reason, '') <> 'not_live'" -%}

-- The monthly report adds up what the first fill of a vehicle's month keeps; a deleted fill keeps nothing.
select
    tank_room.*,
    {% for name, value in sums.items() %}
        case
            when {{ is_live }} and row_number() over vehicle_month = 1
                then sum({{ value }}) over vehicle_month
        end as month_{{ name }},
    {% endfor %}
    case when {{ is_live }} and row_number() over vehicle_month = 1 then count(*) over vehicle_month end
    as month_fills
from {{ ref('tank_room') }} as tank_room
window
    vehicle_month as (
        partition by
            plate,
            {{ is_live }},
            date_trunc('month', filled_at at time zone 'Africa/Nairobi'),
            department_raw,
            fuel_type
        {{ order_of_fills() }}
        rows between unbounded preceding and unbounded following
    )
order by plate
