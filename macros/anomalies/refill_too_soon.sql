{#- Hours after a fill, more than the tank had room for. -#}
{% macro anomaly_refill_too_soon() -%}
    {%- set most = 'usual_max_litres * refill_too_soon_max_times_usual' -%}
    {%- set measures = {
        'litres_in_tank':
            'previous_fill_litres + litres - coalesce(km_since_previous_fill / nullif(usual_km_per_litre, 0), 0)',
    } -%}
    {%- set is_too_much_together = '(litres_in_tank > ' ~ most ~ ')' -%}
    {#-
        The litres that the tank had no room for. Its level is counted from the end of the last interval before the two
        fills: what was bought raises it, what was burnt lowers it. It was full at the highest level of the intervals
        before.
    -#}
    {%- set too_many_litres -%}
        (
            select
                case
                    when fill.is_valid
                        then
                            least(
                                fill.litres,
                                fill.interval_litres - fill.distance_km / fill.usual_km_per_litre
                                - greatest(-min(levels.rise), 0)
                            )
                end
            from (
                select
                    sum(before.interval_litres - before.distance_km / before.usual_km_per_litre)
                        over (order by before.filled_at desc, before.id desc) as rise
                from (
                    select *
                    from fill_intervals as interval_before
                    where
                        interval_before.plate = fill.plate
                        and interval_before.filled_at < fill.filled_at
                        and interval_before.is_valid
                    order by interval_before.filled_at desc
                    limit {{ economy_setting('tank_level_intervals') }}
                ) as before
            ) as levels
        )
    {%- endset -%}
    {%- set found -%}
        hours_since_previous_fill <= refill_too_soon_max_hours and is_judged
        and litres >= refill_too_soon_min_litres
        and litres_samples >= refill_too_soon_min_samples
        and km_per_litre_samples >= refill_too_soon_min_samples
        and km_since_previous_fill >= 0
        -- One fill that is too large by itself is the other rule's finding.
        and not has_litres_over_usual_maximum and not has_litres_amount_swapped
        and (previous_fill_litres > {{ most }}) is not true
        and fills_up
        and exclusion_reason is distinct from 'mixed_fuels'
        -- Asked before the tank is, since it is asked quickly.
        and litres - km_since_previous_fill / usual_km_per_litre
        > usual_max_litres * refill_too_soon_min_unexplained_share_of_usual_maximum
        and (
            {{ is_too_much_together }}
            or {{ too_many_litres }} > usual_max_litres * refill_too_soon_min_unexplained_share_of_usual_maximum
        )
    {%- endset -%}
    {%- set observed -%}
        {{ figure('fill.litres', 1) }} || ' l ' || {{ figure('hours_since_previous_fill', 1) }} || ' hours after '
        || {{ figure('previous_fill_litres', 1) }} || ' l'
    {%- endset -%}
    {%- set expected -%}
        case
            when {{ is_too_much_together }}
                then 'together at most ' || {{ figure(most, 1) }} || ' l more than was burnt in between'
            else
                'at most ' || {{ figure('fill.litres - too_many.litres', 1) }}
                || ' l, for which there was room in the tank'
        end
    {%- endset -%}
    {%- set kes_at_risk -%}
        round(
            least(fill.litres, greatest(litres_in_tank - usual_max_litres, too_many.litres)) * paid_price, 2
        )
    {%- endset -%}
    {%- set explanation -%}
        concat(
            {{ figure('fill.litres', 1) }}, ' l only ', {{ figure('hours_since_previous_fill', 1) }},
            ' hours and ', {{ figure('km_since_previous_fill') }}, ' km after ',
            {{ figure('previous_fill_litres', 1) }}, ' l; ',
            case
                when {{ is_too_much_together }}
                    then 'the usual maximum of one fill is ' || {{ figure('usual_max_litres', 1) }}
                else 'the tank had no room for ' || {{ figure('too_many.litres', 1) }}
            end,
            ' l.'
        )
    {%- endset -%}
    {{ return({
        'thresholds': {
            'max_hours': [0, 168],
            'max_times_usual': [1, 10],
            'min_unexplained_share_of_usual_maximum': [0, 10],
            'min_litres': [0, 1000],
            'min_samples': [1, 30],
        },
        'measures': measures,
        'after': ['litres_over_usual_maximum', 'litres_amount_swapped'],
        'found': found,
        'looked_up': '(select ' ~ too_many_litres ~ ' as litres) as too_many',
        'observed': observed,
        'expected': expected,
        'kes_at_risk': kes_at_risk,
        'explanation': explanation,
    }) }}
{%- endmacro %}
