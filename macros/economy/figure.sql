{#- A number as a sentence shows it: grouped thousands, `decimals` places. -#}
{% macro figure(value, decimals=0) -%}
to_char(round({{ value }}, {{ decimals }}), 'FM999,999,999,999,990{{ '.' ~ '0' * decimals if decimals }}')
{%- endmacro %}
