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


{#- Incremental strategy `mirror`: `upsert`, and rows whose key the model no longer gives are deleted with it. -#}
{% macro get_incremental_mirror_sql(arg_dict) -%}
    {%- set key = adapter.quote(arg_dict['unique_key']) -%}
    {#- The upsert comes last: its count of rows is what dbt reports. -#}
    delete from {{ arg_dict['target_relation'] }} as present
    where not exists (select from {{ arg_dict['temp_relation'] }} as wanted where wanted.{{ key }} = present.{{ key }});

    {{ get_incremental_upsert_sql(arg_dict) }}
{%- endmacro %}


{#- dbt creates a model's `indexes` with the table only; this adds those that were declared later. -#}
{% macro create_missing_indexes(relation) -%}
    {%- set query -%}
        select array_to_string(array(
            select attribute.attname
            from unnest(pg_index.indkey::int2[]) with ordinality as key (attnum, position)
            inner join pg_catalog.pg_attribute as attribute
                on pg_index.indrelid = attribute.attrelid and key.attnum = attribute.attnum
            order by key.position
        ), ',') as columns
        from pg_catalog.pg_index
        where pg_index.indrelid = '{{ relation }}'::regclass
    {%- endset -%}
    {%- set present = run_query(query).columns[0].values() | list -%}
    {%- for index in config.get('indexes', default=[]) if index['columns'] | join(',') not in present -%}
        {%- do run_query(get_create_index_sql(relation, index)) -%}
    {%- endfor -%}
{%- endmacro %}


{#-
    Overrides dbt's own, for a column that is new in a model: the table is locked for a moment only. Within the model's
    transaction the lock would last until the last row is written, and readers would wait.
-#}
{% macro postgres__alter_relation_add_remove_columns(relation, add_columns=none, remove_columns=none) -%}
    {%- set actions = [] -%}
    {%- for column in add_columns or [] -%}
        {#- Of a computed number PostgreSQL knows no precision; what the yml says is what a first build would take. -#}
        {%- set declared = model.columns.get(column.name, {}).get('data_type') -%}
        {%- do actions.append('add column ' ~ column.quoted ~ ' ' ~ (declared or column.expanded_data_type)) -%}
    {%- endfor -%}
    {%- for column in remove_columns or [] -%}
        {%- do actions.append('drop column ' ~ column.quoted) -%}
    {%- endfor -%}
    {%- if actions -%}
        {%- do run_query(without_queueing('alter table ' ~ relation ~ ' ' ~ actions | join(', '))) -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{%- endmacro %}


{#-
    Post-hook of tables: fresh statistics after a first build or a change of many rows, instead of the bad plans
    of the minutes until autovacuum comes round. Costs the same whatever the size of the table.
-#}
{% macro analyze_if_much_changed() -%}
    {%- if execute -%}
        {%- set written = load_result('main').response.rows_affected | int -%}
        {%- set query -%}
            select reltuples from pg_catalog.pg_class
            where
                oid = '{{ this }}'::regclass
                and (
                    not exists (
                        select from pg_catalog.pg_stats
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
