{#-
    Schemas are named as configured, with the fleet's prefix: dbt's default would make `fuel_reporting` of them. The prefix
    stands before the target's own schema, `north_` in `north_fuel`: profiles.yml is the one place that reads the setting.
-#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if node and node.package_name != project_name -%}
        {{ return(default__generate_schema_name(custom_schema_name, node)) }}
    {%- endif -%}
    {%- if not modules.re.fullmatch('((?!pg_)[a-z_][a-z0-9_]{0,39})?fuel', target.schema) -%}
        {%- do exceptions.raise_compiler_error(
            "FUEL_SCHEMA_PREFIX: " ~ (target.schema[:-4] | tojson) ~ " is no plain identifier: lower-case letters, digits"
            ~ " and _, not more than 40, no digit first, and no pg_ either."
        ) -%}
    {%- endif -%}
    {{- target.schema[:-4] ~ (custom_schema_name | trim) if custom_schema_name else target.schema -}}
{%- endmacro %}
