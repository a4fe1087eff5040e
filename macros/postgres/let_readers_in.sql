{#-
    On-run-end: who may read the views must also be let into their schema, which dbt's grants say nothing of. Once for
    the run, since two views at once would get into each other's way; only who is not yet in.
-#}
{% macro let_readers_in() -%}
    {%- set schema = ref('v_fuel_fills').schema -%}
    {%- set roles = [var('reader_roles')] if var('reader_roles') is string else var('reader_roles') -%}
    {%- if execute and roles -%}
        {%- set readers = [] -%}
        {%- for role in roles -%}
            {%- do readers.append(sql_literal('public' if role | lower == 'public' else role)) -%}
        {%- endfor -%}
        {%- set query -%}
            select case rolname when 'public' then 'public' else pg_catalog.quote_ident(rolname) end
            from (select rolname::text from pg_catalog.pg_roles union all select 'public') as roles
            where
                rolname in ({{ readers | join(', ') }})
                and not pg_catalog.has_schema_privilege(rolname, {{ sql_literal(schema) }}, 'usage')
        {%- endset -%}
        {%- set outside = run_query(query).columns[0].values() -%}
        {%- if outside -%}
            grant usage on schema {{ adapter.quote(schema) }} to {{ outside | join(', ') }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
