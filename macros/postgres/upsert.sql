{#-
    Incremental strategy `upsert`: new rows are inserted, rows that differ are updated, rows that are the same are not
    written. One statement, so readers see all of it or nothing. Works on PostgreSQL 15 to 18, and on Citus, whose
    `merge` refuses dbt's temporary table.
-#}
{% macro get_incremental_upsert_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set key = arg_dict['unique_key'] -%}
    {%- if key is not string -%}
        {%- do exceptions.raise_compiler_error("The incremental strategy `upsert` needs a unique_key: one column.") -%}
    {%- endif -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='name') | list -%}
    {%- set other_columns = columns | reject('equalto', key) | list -%}
    {%- do create_missing_indexes(target) -%}

    insert into {{ target }} as present ({{ get_quoted_csv(columns) }})
    select {{ get_quoted_csv(columns) }} from {{ arg_dict['temp_relation'] }}
    on conflict ({{ adapter.quote(key) }}) do update set
        {%- for column in other_columns %}
        {{ adapter.quote(column) }} = excluded.{{ adapter.quote(column) }}{{ ',' if not loop.last }}
        {%- endfor %}
    where
        {%- for column in other_columns %}
        {{ 'or ' if not loop.first }}present.{{ adapter.quote(column) }} is distinct from excluded.{{ adapter.quote(column) }}
        {%- endfor %}
{%- endmacro %}


{#-
    Incremental strategy `mirror`: `upsert`, and rows whose key the model no longer gives are deleted with it. Citus joins
    a tenant's table with no temporary one, but with what a query read from it.
-#}
{% macro get_incremental_mirror_sql(arg_dict) -%}
    {%- set key = adapter.quote(arg_dict['unique_key']) -%}
    {#- The upsert comes last: its count of rows is what dbt reports. -#}
    with wanted as materialized (select {{ key }} from {{ arg_dict['temp_relation'] }})

    delete from {{ arg_dict['target_relation'] }} as present
    where not exists (select 1 from wanted where wanted.{{ key }} = present.{{ key }});

    {{ get_incremental_upsert_sql(arg_dict) }}
{%- endmacro %}
