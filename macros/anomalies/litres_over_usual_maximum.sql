{#- More litres than the largest fills of the vehicle hold. -#}
{% macro anomaly_litres_over_usual_maximum() -%}
    {%- set found -%}
        litres > most_litres and not is_duplicate and not has_litres_amount_swapped
        and litres_samples >= litres_over_usual_maximum_min_samples
    {%- endset -%}
    {%- set explanation -%}
        concat(
            {{ figure('litres', 1) }}, ' l in one fill; the usual maximum of this vehicle is ',
            {{ figure('usual_max_litres', 1) }}, ' l (of ', litres_samples, ' fills before).'
        )
    {%- endset -%}
    {{ return({
        'thresholds': {'max_times_usual': [1, 10], 'min_samples': [1, 30]},
        'measures': {'most_litres': 'usual_max_litres * litres_over_usual_maximum_max_times_usual'},
        'after': ['litres_amount_swapped'],
        'found': found,
        'observed': figure('litres', 1, 2) ~ " || ' l'",
        'expected': "'at most ' || " ~ figure('trunc(most_litres, 1)', 1) ~ " || ' l'",
        'kes_at_risk': 'round((litres - usual_max_litres) * paid_price, 2)',
        'explanation': explanation,
    }) }}
{%- endmacro %}
