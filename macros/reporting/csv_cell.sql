{#- A text as a cell of a CSV: in quotation marks where it needs them. -#}
{% macro csv_cell(value) -%}
    case when {{ value }} ~ e'[",\\n\\r]' then '"' || replace({{ value }}, '"', '""') || '"' else {{ value }} end
{%- endmacro %}
