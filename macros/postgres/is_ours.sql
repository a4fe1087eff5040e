{#- Whether the node that runs belongs to this project. A package beside it keeps dbt's own behaviour. -#}
{% macro is_ours() -%}
    {{ return(model.package_name == project_name) }}
{%- endmacro %}
