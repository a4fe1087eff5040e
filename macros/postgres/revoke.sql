{#-
    dbt takes everybody for a role named "PUBLIC", and fails where somebody has handed his privilege on: one grant by hand
    would fail the view at every build.
-#}
{% macro postgres__get_revoke_sql(relation, privilege, grantees) -%}
    {%- set sql = default__get_revoke_sql(relation, privilege, grantees) -%}
    {{- sql | replace('"PUBLIC"', 'public') ~ ' cascade' if is_ours() else sql -}}
{%- endmacro %}
