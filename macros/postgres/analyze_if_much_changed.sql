{#-
    Post-hook of tables: fresh statistics after a first build or a change of many rows, instead of the bad plans
    of the minutes until autovacuum comes round. Costs the same whatever the size of the table.
-#}
{% macro analyze_if_much_changed() -%}
    {%- if execute -%}
        {%- set written = (load_result('seed_rows') or load_result('main')).response.rows_affected | int -%}
        {%- set query -%}
            select reltuples from pg_catalog.pg_class
            where
                oid = {{ sql_literal(this) }}::pg_catalog.regclass
                and (
                    not exists (
                        select 1 from pg_catalog.pg_stats
                        where schemaname = '{{ this.schema }}' and tablename = '{{ this.identifier }}'
                    )
                    or {{ written }} > 0.1 * reltuples
                )
        {%- endset -%}
        {%- if run_query(query) | length -%}
            analyze {{ this }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
