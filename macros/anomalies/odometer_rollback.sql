{#- An odometer that reads less than before. -#}
{% macro anomaly_odometer_rollback() -%}
    {%- set explanation -%}
        concat(
            'The odometer reads ', {{ figure('odometer_km') }}, ' km, ', {{ figure('-distance_km') }},
            ' km less than the ', {{ figure('previous_odometer_km') }}, ' km of the last good reading.'
        )
    {%- endset -%}
    {{ return({
        'thresholds': {'max_km_below': [0, 100000]},
        'found': "exclusion_reason = 'odometer_rollback' and -distance_km > odometer_rollback_max_km_below",
        'observed': figure('odometer_km') ~ " || ' km'",
        'expected': "'at least ' || " ~ figure('previous_odometer_km') ~ " || ' km'",
        'kes_at_risk': 'amount_kes',
        'explanation': explanation,
    }) }}
{%- endmacro %}
