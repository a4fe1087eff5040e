{#- Each of these is shared by a block, but not by fills of another fuel or a vehicle that takes two. -#}
{%- set of_one_fuel = ['usual_distance_km', 'fills_up', 'usual_km_per_litre', 'km_per_litre_mad'] -%}
{%- set shared = ['usual_fuel_type', 'usual_fuel_type_share'] -%}
{#- A vehicle that was converted is another one: intervals of its former fuel are not asked. -#}
{%- set is_of_the_fuel = 'coalesce(sample_fuel_type = fuel_type, true)' -%}
{%- set other_fuel = 'coalesce(fuel_type <> first_value(fuel_type) over of_block, false)' -%}

with middles as (

    select
        baseline_samples.*,
        case when starts_block then (
            select
                array[
                    percentile_cont(0.5) within group (
                        order by km
                    ),
                    percentile_cont(0.5) within group (
                        order by km / litres
                    ),
                    count(km)
                ]
            from
                unnest(sample_distances_km, sample_interval_litres, sample_fuel_types)
                as sample (km, litres, sample_fuel_type)
            where {{ is_of_the_fuel }}
        ) end as block_middles,
        case when starts_block then (
            select mode() within group (
                order by value
            ) from unnest(sample_fuel_types) as value
        ) end as block_usual_fuel_type
    from {{ ref('baseline_samples') }} as baseline_samples
    order by plate, is_counted, block

),

explained_litres as (

    -- More than the way burns does not become usual, however often it happens. Where no way is known all
    -- litres count; where a vehicle takes two fuels, those of the fill's own.
    select
        middles.*,
        block_middles[1] as block_usual_distance_km,
        block_middles[2] as block_usual_km_per_litre,
        case when sample_litres is not null then (
            select
                array[
                    (array_agg(
                        litres
                        order by litres desc
                    ))[2],
                    count(*)
                ]
            from
                unnest(sample_litres, sample_distances_km, sample_interval_litres, sample_fuel_types)
                as sample (litres, km, interval_litres, sample_fuel_type)
            where
                litres is not null
                and case
                    when takes_two_fuels then sample_fuel_type = fuel_type
                    when not {{ is_of_the_fuel }} then false
                    when block_middles[2] is null then true
                    else
                        interval_litres * block_middles[2]
                        <= km * {{ economy_setting('explained_max_times_usual_litres') }}
                end
        ) end as most_litres
    from middles
    order by plate, is_counted, block

),

deviations as (

    select
        explained_litres.*,
        case when starts_block then round((
            select
                percentile_cont(0.5) within group (
                    order by abs(km / litres - block_usual_km_per_litre)
                )
            from
                unnest(sample_distances_km, sample_interval_litres, sample_fuel_types)
                as sample (km, litres, sample_fuel_type)
            where {{ is_of_the_fuel }}
        )::numeric, 3) end as block_km_per_litre_mad,
        case when starts_block then round(
            cardinality(array_positions(sample_fuel_types, block_usual_fuel_type))::numeric
            / nullif(cardinality(array_remove(sample_fuel_types, null)), 0), 3
        ) end as block_usual_fuel_type_share,
        -- A vehicle that often burns more than its largest fills hold is not filled up. An interval of more
        -- litres holds several fills.
        case when starts_block then (
            select
                avg(
                    (
                        km / block_usual_km_per_litre
                        > most_litres[1] * {{ economy_setting('partial_fills_times_usual_max') }}
                    )::int
                ) <= {{ economy_setting('partial_fills_max_share') }}
            from
                unnest(sample_distances_km, sample_interval_litres, sample_fuel_types)
                as sample (km, litres, sample_fuel_type)
            where litres <= most_litres[1] and {{ is_of_the_fuel }}
        ) end as block_fills_up,
        case when starts_block then coalesce(cardinality(array_remove(sample_fuel_types, null)), 0) end
        as block_fuel_type_samples
    from explained_litres
    order by plate, is_counted, block

)

select
    {{ fill_columns() }},
    is_counted,
    ends_interval,
    takes_two_fuels,
    block,
    previous_fill_s,
    previous_fill_has_time,
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
    {% for column in of_one_fuel %}
        case
            when not takes_two_fuels and not {{ other_fuel }}
                then first_value(block_{{ column }}) over of_block
        end
        as {{ column }},
    {% endfor %}
    {% for column in shared %}
        case when not takes_two_fuels then first_value(block_{{ column }}) over of_block end
        as {{ column }},
    {% endfor %}
    case
        when takes_two_fuels or {{ other_fuel }} then 0
        else coalesce(first_value(block_middles[3]::int) over of_block, 0)
    end as km_per_litre_samples,
    case when takes_two_fuels then 0 else coalesce(first_value(block_fuel_type_samples) over of_block, 0) end
    as fuel_type_samples,
    {% for column, value, of_another in [
        ('usual_max_litres', 'round(most_litres[1]::numeric, 3)', 'null'),
        ('litres_samples', 'coalesce(most_litres[2]::int, 0)', '0'),
    ] %}
        case
            when takes_two_fuels then {{ value }}
            when {{ other_fuel }} then {{ of_another }}
            else first_value({{ value }}) over of_block
        end as {{ column }},
    {% endfor %}
    candidate_litres
from deviations
window
    of_block as (
        partition by plate, is_counted, block
        {{ order_of_fills() }}
    )
order by plate, is_counted, block
