{#- dbt writes the names of roles bare: a role named night-shift would fail every view. Everybody is `public`. -#}
{% macro postgres__get_grant_sql(relation, privilege, grantees) -%}
    {%- if not is_ours() -%}
        {{ return(default__get_grant_sql(relation, privilege, grantees)) }}
    {%- endif -%}
    {%- set names = [] -%}
    {%- for grantee in grantees -%}
        {%- do names.append('public' if grantee | lower == 'public' else adapter.quote(grantee)) -%}
    {%- endfor -%}
    grant {{ privilege }} on {{ relation.render() }} to {{ names | join(', ') }}
{%- endmacro %}
