{#- Overrides dbt's own, which quotes a role's name when it revokes but not when it grants: `fuel-api` is a name, too. -#}
{% macro postgres__get_grant_sql(relation, privilege, grantees) -%}
    {%- set quoted_grantees = [] -%}
    {%- for grantee in grantees -%}
        {%- do quoted_grantees.append(adapter.quote(grantee)) -%}
    {%- endfor -%}
    grant {{ privilege }} on {{ relation.render() }} to {{ quoted_grantees | join(', ') }}
{%- endmacro %}


{#-
    On-run-end: who may read the views must also be let into their schema, which dbt's grants say nothing of. Once for
    the run, since two views at once would get into each other's way; only who is not yet in.
-#}
{% macro let_readers_in() -%}
    {%- set schema = ref('v_fuel_fills').schema -%}
    {%- if execute and var('reader_roles') -%}
        {%- set readers = [] -%}
        {%- for role in var('reader_roles') -%}
            {%- do readers.append(dbt.string_literal(dbt.escape_single_quotes(role))) -%}
        {%- endfor -%}
        {%- set query -%}
            select rolname from pg_catalog.pg_roles
            where rolname in ({{ readers | join(', ') }}) and not has_schema_privilege(oid, to_regnamespace('{{ schema }}'), 'usage')
        {%- endset -%}
        {%- set outside = [] -%}
        {%- for role in run_query(query).columns[0].values() -%}
            {%- do outside.append(adapter.quote(role)) -%}
        {%- endfor -%}
        {%- if outside -%}
            grant usage on schema {{ adapter.quote(schema) }} to {{ outside | join(', ') }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
