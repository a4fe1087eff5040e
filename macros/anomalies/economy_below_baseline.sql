{#- Far fewer km per litre than the vehicle's own, and litres that neither the way nor the tank explains. -#}
{% macro anomaly_economy_below_baseline() -%}
    {%- set measures = {
        'low_km_per_litre': 'usual_km_per_litre * economy_below_baseline_max_share_of_usual',
        'too_much_unexplained_litres':
            'usual_max_litres * economy_below_baseline_min_unexplained_share_of_usual_maximum',
        'judged_litres': 'coalesce(interval_litres, litres)',
        'judged_km_per_litre': 'coalesce(km_per_litre, distance_km / nullif(litres, 0))',
    } -%}
    {%- set found -%}
        -- A fill that the next one tops up has no economy of its own, but litres that may be too many.
        judged_km_per_litre < low_km_per_litre
        and is_judged and exclusion_reason is distinct from 'mixed_fuels'
        and not has_litres_over_usual_maximum and not has_refill_too_soon
        -- A top-up does not answer for too many litres in the fill that it completes.
        and not (
            interval_litres > litres
            and litres_over_usual_maximum_is_on and coalesce(previous_fill_litres > most_litres, false)
        )
        and km_per_litre_samples >= economy_below_baseline_min_samples
        -- A reading too high or a tank not filled up makes the interval before look as much too good.
        and coalesce(
            last_two_km_per_litre < usual_km_per_litre * (1 + economy_below_baseline_max_share_of_usual) / 2, true
        )
        -- 1.4826 makes a MAD comparable with a standard deviation.
        and judged_km_per_litre
        < usual_km_per_litre - economy_below_baseline_min_deviations * 1.4826 * km_per_litre_mad
        -- More than the tank had room for; known only where it is judged.
        and unexplained_litres > too_much_unexplained_litres
    {%- endset -%}
    {#- A low figure again and again may be how the vehicle is used. Too many litres are not that. -#}
    {%- set looked_up -%}
        (
            select
                count(*) as fills,
                count(*) filter (
                    where
                    fills_before.km_per_litre < low_km_per_litre
                    and fills_before.unexplained_litres > too_much_unexplained_litres
                    and (fills_before.litres > most_litres) is not true
                ) as times
            from (
                select
                    fill_before.litres,
                    fill_before.km_per_litre,
                    fill_before.unexplained_litres
                from fill_intervals as fill_before
                where
                    fill_before.plate = fill.plate
                    and fill_before.filled_at < fill.filled_at
                    and coalesce(fill_before.exclusion_reason, '') not in ('not_live', 'duplicate', 'corrected')
                order by fill_before.filled_at desc
                limit {{ economy_setting('baseline_fills') }}
            ) as fills_before
        ) as as_low
    {%- endset -%}
    {%- set kes_at_risk -%}
        round(
            least(judged_litres - distance_km / usual_km_per_litre, unexplained_litres)
            * coalesce(interval_amount_kes / nullif(interval_litres, 0), paid_price), 2
        )
    {%- endset -%}
    {%- set explanation -%}
        concat(
            {{ figure('distance_km') }}, ' km on ', {{ figure('judged_litres', 1) }}, ' l is ',
            {{ figure('judged_km_per_litre', 1) }}, ' km per litre; this vehicle usually makes ',
            {{ figure('usual_km_per_litre', 1) }}, ' (median of ', km_per_litre_samples, ' intervals)',
            ', but was as low at ' || nullif(as_low.times, 0) || ' of the ' || as_low.fills || ' fills before',
            '.'
        )
    {%- endset -%}
    {{ return({
        'thresholds': {
            'max_share_of_usual': [0, 1],
            'min_deviations': [0, 10],
            'min_unexplained_share_of_usual_maximum': [0, 10],
            'silent_from_times': [0, 30],
            'min_samples': [1, 30],
        },
        'optional': ['silent_from_times'],
        'measures': measures,
        'after': ['litres_over_usual_maximum', 'refill_too_soon'],
        'found': found,
        'looked_up': looked_up,
        'confirmed': 'coalesce(as_low.times < nullif(economy_below_baseline_silent_from_times, 0), true)',
        'observed': figure('judged_km_per_litre', 1) ~ " || ' km per litre'",
        'expected': figure('usual_km_per_litre', 1) ~ " || ' km per litre'",
        'kes_at_risk': kes_at_risk,
        'explanation': explanation,
    }) }}
{%- endmacro %}
