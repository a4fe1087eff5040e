{#- Another fuel than the vehicle's own. -#}
{% macro anomaly_fuel_type_unusual() -%}
    {%- set found -%}
        fuel_type <> usual_fuel_type and is_judged
        -- A vehicle may take petrol and gas in turn, and any fuel and electricity.
        and exclusion_reason is distinct from 'mixed_fuels'
        and not array[fuel_type, usual_fuel_type] && array['electric', 'lpg']
        and fuel_type_samples >= fuel_type_unusual_min_samples
        and usual_fuel_type_share >= fuel_type_unusual_min_usual_share
    {%- endset -%}
    {%- set explanation -%}
        concat(
            'Fuelled with ', fuel_type, '; ', {{ figure('usual_fuel_type_share * 100') }},
            ' % of the ', fuel_type_samples, ' fills before were ', usual_fuel_type, '.'
        )
    {%- endset -%}
    {{ return({
        'thresholds': {'min_usual_share': [0, 1], 'min_samples': [1, 30]},
        'found': found,
        'observed': 'fuel_type',
        'expected': 'usual_fuel_type',
        'kes_at_risk': 'amount_kes',
        'explanation': explanation,
    }) }}
{%- endmacro %}
