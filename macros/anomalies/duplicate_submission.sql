{#- The same fill, reported again. -#}
{% macro anomaly_duplicate_submission() -%}
    {%- set explanation -%}
        concat(
            'The same ',
            concat_ws(' for ', {{ figure('litres', 1) }} || ' l', 'KES ' || {{ figure('amount_kes') }}),
            ' are also reported as fill ', duplicate_of_id, '.'
        )
    {%- endset -%}
    {{ return({
        'found': 'is_duplicate',
        'observed': "'reported again'",
        'expected': "'one report'",
        'kes_at_risk': 'amount_kes',
        'explanation': explanation,
    }) }}
{%- endmacro %}
