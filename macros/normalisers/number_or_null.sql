{#- A number as numeric(precision, scale), rounded; null where it does not fit. -#}
{% macro number_or_null(value, precision, scale) -%}
{#- A number half a unit of the last place below the limit is rounded up to it. -#}
case when abs({{ value }}) < {{ '9' * (precision - scale) }}.{{ '9' * scale }}5 then {{ value }} end::numeric({{ precision }}, {{ scale }})
{%- endmacro %}
