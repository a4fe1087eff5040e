{#- The SQL condition that a typed time is not believed, for it lies too far from the time of the report. -#}
{% macro is_far_from_report(typed, reported) -%}
    {%- set days_after = var('filled_at_max_days_after_report') -%}
    {%- set days_before = var('filled_at_max_days_before_report') -%}
    (
        false
        {%- if days_after is not none %}
        or {{ typed }} > {{ reported }} + interval '{{ days_after * 24 }} hours'
        {%- endif %}
        {%- if days_before is not none %}
        or {{ typed }} < {{ reported }} - interval '{{ days_before * 24 }} hours'
        {%- endif %}
    )
{%- endmacro %}
