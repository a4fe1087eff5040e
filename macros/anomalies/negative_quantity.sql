{#- Litres or an amount below zero: a credit that nobody gave. -#}
{% macro anomaly_negative_quantity() -%}
    {%- set figures -%}
        concat_ws(' for ', {{ figure('litres', 1) }} || ' l', 'KES ' || {{ figure('amount_kes') }})
    {%- endset -%}
    {{ return({
        'found': '(litres < 0 or amount_kes < 0) and not is_duplicate',
        'observed': figures,
        'expected': "'litres and an amount above zero'",
        'kes_at_risk': 'abs(amount_kes)',
        'explanation': "concat('The message says ', " ~ figures ~ ", '; the reports take that off the spend.')",
    }) }}
{%- endmacro %}
