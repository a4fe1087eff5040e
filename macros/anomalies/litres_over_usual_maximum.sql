{#- More litres than the largest fills of the vehicle hold, and than the way since the last fill explains. -#}
{% macro anomaly_litres_over_usual_maximum() -%}
    {#- An honest fill is as large as the way was long; the tank of a new vehicle is not known yet. -#}
    {%- set explained_litres -%}
        case
            when distance_km >= 0 and coalesce(exclusion_reason, '') not in (
                'distance_implausible', 'missed_fill_suspected', 'mixed_fuels'
            )
                then
                    distance_km / nullif(usual_km_per_litre, 0)
                    -- The litres before this fill have been burnt too.
                    - greatest(coalesce(interval_litres, litres) - litres, 0)
        end
    {%- endset -%}
    {%- set measures = {
        'explained_litres': explained_litres,
        'most_litres': 'usual_max_litres * litres_over_usual_maximum_max_times_usual',
    } -%}
    {%- set found -%}
        litres > most_litres and is_judged and not has_litres_amount_swapped
        and litres_samples >= litres_over_usual_maximum_min_samples
        and litres > coalesce(
            explained_litres * litres_over_usual_maximum_max_times_usual,
            usual_max_litres * litres_over_usual_maximum_max_times_usual_without_distance
        )
    {%- endset -%}
    {%- set explanation -%}
        concat(
            {{ figure('litres', 1) }}, ' l in one fill; the usual maximum of this vehicle is ',
            {{ figure('usual_max_litres', 1) }}, ' l (of ', litres_samples, ' fills before)',
            ', and the ' || {{ figure('distance_km') }} || ' km before it explain '
            || {{ figure('(abs(explained_litres) + explained_litres) / 2', 1) }} || ' l', '.'
        )
    {%- endset -%}
    {{ return({
        'thresholds': {
            'max_times_usual': [1, 10],
            'max_times_usual_without_distance': [1, 10],
            'min_samples': [1, 30],
        },
        'measures': measures,
        'after': ['litres_amount_swapped'],
        'found': found,
        'observed': figure('litres', 1, 2) ~ " || ' l'",
        'expected': "'at most ' || " ~ figure('trunc(most_litres, 1)', 1) ~ " || ' l'",
        'kes_at_risk': 'round((litres - usual_max_litres) * paid_price, 2)',
        'explanation': explanation,
    }) }}
{%- endmacro %}
