{%- set economy = var('economy') -%}
{%- set baseline = [
    'usual_distance_km', 'usual_max_litres', 'fills_up', 'litres_samples', 'usual_km_per_litre',
    'km_per_litre_mad', 'km_per_litre_samples', 'usual_fuel_type', 'usual_fuel_type_share', 'fuel_type_samples',
] -%}

with medians as (

    select
        baseline_samples.*,
        case when starts_block then (
            select value from unnest(sample_litres) as value
            order by value desc limit 1 offset 1
        ) end as block_most_litres,
        case when starts_block then (
            select
                percentile_cont(0.5) within group (
                    order by value
                )
            from unnest(sample_distances_km) as value
        ) end as block_usual_distance_km,
        case when starts_block then (
            select
                percentile_cont(0.5) within group (
                    order by value
                )
            from unnest(sample_km_per_litre) as value
        ) end as block_usual_km_per_litre,
        case when starts_block then (
            select mode() within group (
                order by value
            ) from unnest(sample_fuel_types) as value
        ) end as block_usual_fuel_type
    from {{ ref('baseline_samples') }} as baseline_samples
    order by plate, is_counted, block

),

deviations as (

    select
        medians.*,
        round(block_most_litres::numeric, 3) as block_usual_max_litres,
        case when starts_block then round((
            select
                percentile_cont(0.5) within group (
                    order by abs(value - block_usual_km_per_litre)
                )
            from unnest(sample_km_per_litre) as value
        )::numeric, 3) end as block_km_per_litre_mad,
        case when starts_block then round(
            cardinality(array_positions(sample_fuel_types, block_usual_fuel_type))::numeric
            / cardinality(sample_fuel_types), 3
        ) end as block_usual_fuel_type_share,
        -- Who often burns more than the largest fills hold does not fill up. An interval of more litres holds
        -- several fills.
        case when starts_block then (
            select
                avg(
                    (
                        km / block_usual_km_per_litre
                        > block_most_litres * {{ economy.partial_fills_times_usual_max }}
                    )::int
                ) <= {{ economy.partial_fills_max_share }}
            from unnest(sample_distances_km, sample_km_per_litre) as sample (km, km_per_litre)
            where km / km_per_litre <= block_most_litres
        ) end as block_fills_up,
        case when starts_block then coalesce(cardinality(sample_litres), 0) end as block_litres_samples,
        case when starts_block then coalesce(cardinality(sample_km_per_litre), 0) end
        as block_km_per_litre_samples,
        case when starts_block then coalesce(cardinality(sample_fuel_types), 0) end
        as block_fuel_type_samples
    from medians
    order by plate, is_counted, block

)

select
    {{ fill_columns() }},
    is_counted,
    ends_interval,
    block,
    previous_fill_s,
    previous_fill_litres,
    km_since_previous_fill,
    has_implausible_litres,
    litres_of_interval,
    amount_of_interval_kes,
    previous_odometer_km,
    previous_end_s,
    distance_km,
    reason_so_far,
    candidate_distance_km,
    {% for column in baseline %}
        first_value(block_{{ column }}) over of_block as {{ column }},
    {% endfor %}
    candidate_litres
from deviations
window
    of_block as (
        partition by plate, is_counted, block
        {{ order_of_fills() }}
    )
order by plate, is_counted, block
