{#- Litres and amount in each other's place. -#}
{% macro anomaly_litres_amount_swapped() -%}
    {%- set found -%}
        litres / nullif(amount_kes, 0) between expected_price * (1 - litres_amount_swapped_max_share_off)
        and expected_price * (1 + litres_amount_swapped_max_share_off)
        and (is_regulated or fleet_fills >= litres_amount_swapped_min_fleet_fills)
        and is_judged
    {%- endset -%}
    {%- set explanation -%}
        concat(
            {{ figure('litres', 1) }}, ' l for KES ', {{ figure('amount_kes') }},
            ' make sense the other way round: KES ', {{ figure('litres / amount_kes', 2) }},
            ' per litre, where ', {{ words_for_expected_price() }}, ' is KES ', {{ figure('expected_price', 2) }}, '.'
        )
    {%- endset -%}
    {{ return({
        'thresholds': {'max_share_off': [0, 1], 'min_fleet_fills': [1, 1000000]},
        'found': found,
        'observed': figure('litres', 1) ~ " || ' l for KES ' || " ~ figure('amount_kes'),
        'expected': figure('amount_kes', 1) ~ " || ' l for KES ' || " ~ figure('litres'),
        'kes_at_risk': 'round(abs(litres - amount_kes), 2)',
        'explanation': explanation,
    }) }}
{%- endmacro %}
