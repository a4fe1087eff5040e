{#- A number as a sentence shows it: grouped thousands, `decimals` places, and `more` where they are not zero. -#}
{% macro figure(value, decimals=0, more=0) -%}
{%- set places = '.' ~ '0' * decimals ~ '9' * more if decimals else '' -%}
to_char(round({{ value }}, {{ decimals + more }}), 'FM999,999,999,999,990{{ places }}')
{%- endmacro %}
