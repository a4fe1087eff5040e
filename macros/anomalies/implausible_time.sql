{#- A time that cannot be right: a fill of next year, or of ten years ago. -#}
{% macro anomaly_implausible_time() -%}
    {%- set typed = "to_char(filled_at_typed at time zone 'Africa/Nairobi', 'YYYY-MM-DD HH24:MI')" -%}
    {%- set reported = "to_char(filled_at at time zone 'Africa/Nairobi', 'YYYY-MM-DD HH24:MI')" -%}
    {%- set explanation -%}
        concat(
            'The message says ', {{ typed }}, ', and was sent on ', {{ reported }},
            '; the fill counts as of then.'
        )
    {%- endset -%}
    {{ return({
        'found': 'filled_at_typed is not null and not is_duplicate',
        'observed': typed,
        'expected': "'about the time of the report, ' || " ~ reported,
        'kes_at_risk': 'amount_kes',
        'explanation': explanation,
    }) }}
{%- endmacro %}
