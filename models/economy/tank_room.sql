{%- set rolling_intervals = economy_setting('rolling_intervals') -%}
{#- A full tank stands no higher than the level after an interval and the most room there can be above it, and
    no lower than that level, nor than what the intervals before showed. From the oldest to the newest: -#}
{%- set full_tank = namespace(level="'infinity'") -%}
{%- for n in range(economy_setting('tank_level_intervals'), 0, -1) -%}
    {%- set full_tank.level -%}
        least(
            lag(tank_level + most_room_litres, {{ n }}) over valid_intervals,
            greatest(lag(tank_level, {{ n }}) over valid_intervals, {{ full_tank.level }})
        )
    {%- endset -%}
{%- endfor -%}

with summed_so_far as (

    select
        judged_intervals.*,
        exclusion_reason is null as is_valid,
        count(*) filter (where exclusion_reason is null) over vehicle as valid_so_far,
        sum(distance_km::double precision) filter (where exclusion_reason is null) over vehicle as km_so_far,
        sum(litres_of_interval::double precision) filter (where exclusion_reason is null) over vehicle
        as litres_so_far,
        -- The fuel of the last fill that has one.
        substr(max((to_char(filled_s, 'FM0000000000.000000') || fuel_type) collate "C") over vehicle, 18)
        as burnt_fuel,
        lag(ends_interval) over vehicle as starts_interval,
        -- Bought less burnt: how full the tank is, but for a constant. An interval without economy may have
        -- emptied it.
        coalesce(
            sum(
                case
                    when exclusion_reason is null
                        then
                            litres_of_interval::double precision
                            - distance_km::double precision / usual_km_per_litre
                    when ends_interval then -usual_max_litres
                end
            ) over vehicle, 0
        ) as tank_level,
        -- The tank holds at least what was just put in.
        (usual_max_litres - least(litres, usual_max_litres))::double precision as most_room_litres
    from {{ ref('judged_intervals') }} as judged_intervals
    window vehicle as (
        partition by plate, is_counted
        {{ order_by_blocks() }} rows unbounded preceding
    )

),

levels as (

    select
        summed_so_far.*,
        (km_so_far - coalesce(lag(km_so_far, 2) over valid_intervals, 0))
        / nullif(litres_so_far - coalesce(lag(litres_so_far, 2) over valid_intervals, 0), 0)
        as last_two_km_per_litre,
        -- The level of a full tank, as the intervals before this one show it.
        {{ full_tank.level }} as full_level_before
    from summed_so_far
    window valid_intervals as (
        partition by plate, is_valid
        {{ order_of_fills() }}
    )

),

rolled_up as (

    -- Litres of two fuels are never added: a converted vehicle begins anew.
    select
        levels.*,
        count(*) over same_fuel as intervals_summed,
        sum(distance_km::double precision) over same_fuel
        / nullif(sum(litres_of_interval::double precision) over same_fuel, 0) as sum_km_per_litre
    from levels
    window same_fuel as (
        partition by plate, is_valid, burnt_fuel
        {{ order_of_fills() }} rows {{ rolling_intervals - 1 }} preceding
    )

),

rolling as (

    -- A fill without an economy of its own shows the rolling figure as it stands.
    select
        rolled_up.*,
        first_value(case when is_valid then sum_km_per_litre end) over since_last_valid
        as rolling_km_per_litre,
        first_value(case when is_valid then intervals_summed end) over since_last_valid as rolling_intervals,
        first_value(
            case
                when is_valid
                    then least(tank_level + most_room_litres, greatest(tank_level, full_level_before))
            end
        ) over since_last_valid as full_level
    from rolled_up
    window since_last_valid as (
        partition by plate, is_counted, valid_so_far
        {{ order_of_fills() }}
    )

)

-- Unexplained is what did not fit into the tank. A fill that is topped up answers for itself, and its top-up
-- for no more than its own litres.
select
    {{ fill_columns() }},
    is_counted,
    previous_fill_s,
    previous_fill_has_time,
    previous_fill_litres,
    km_since_previous_fill,
    usual_distance_km,
    usual_max_litres,
    fills_up,
    litres_samples,
    usual_km_per_litre,
    km_per_litre_mad,
    km_per_litre_samples,
    usual_fuel_type,
    usual_fuel_type_share,
    fuel_type_samples,
    previous_odometer_km,
    previous_end_s,
    distance_km,
    litres_of_interval,
    amount_of_interval_kes,
    exclusion_reason,
    is_valid,
    rolling_km_per_litre,
    rolling_intervals,
    last_two_km_per_litre,
    nullif(
        case
            -- Nobody knows how full the tank is of a vehicle that is never filled up.
            when fills_up is not true then null
            when
                is_valid and not starts_interval and km_since_previous_fill is not null
                and litres < tank_level - full_level_before
                then litres
            when is_valid then tank_level - full_level_before
            when
                exclusion_reason = 'topup_merged' and starts_interval
                and litres > 0 and not has_implausible_litres
                then tank_level + litres - distance_km / usual_km_per_litre - full_level
        end, '-infinity'
    ) as unexplained_litres
from rolling
order by plate
