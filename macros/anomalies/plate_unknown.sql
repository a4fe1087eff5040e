{#- A plate that the tracker does not know. -#}
{% macro anomaly_plate_unknown() -%}
    {{ return({
        'found': 'not is_tracked and has_tracker and plate is not null',
        'observed': 'plate',
        'expected': "'a plate of the tracker''s devices'",
        'kes_at_risk': 'amount_kes',
        'explanation': "concat('The tracker knows no vehicle with the plate ', plate, '.')",
    }) }}
{%- endmacro %}
