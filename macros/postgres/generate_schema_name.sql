{#- Schemas are exactly the configured ones: dbt's default would make `fuel_reporting` of them. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
