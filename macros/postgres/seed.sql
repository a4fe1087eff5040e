{#-
    dbt's own seed behind a guard. A wrong file changes nothing: the list stays as it last was, what reads it is built, and
    `fail_on_refused_seeds` ends the run with the file, the line and the reason. A list that was never loaded fails itself.
-#}
{% materialization seed, adapter='postgres' %}
    {%- set csv = load_agate_table() if is_ours() -%}
    {%- set refusal = seed_refusal(csv) if is_ours() -%}
    {%- if not refusal -%}
        {{ return(materialization_seed_default()) }}
    {%- elif not adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
        {%- do exceptions.raise_compiler_error(refusal) -%}
    {%- endif -%}
    {#- With `--show` dbt prints a table, which it has none of for an empty file. -#}
    {%- set shown = csv if csv is defined else run_query('select null as line where false') -%}
    {%- do store_result('agate_table', response='OK', agate_table=shown) -%}
    {%- do store_raw_result(name='main', message='REFUSED ' ~ refusal, code='REFUSED', rows_affected=0) -%}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmaterialization %}


{% macro postgres__create_csv_table(model, agate_table) -%}
    {%- set sql = default__create_csv_table(model, agate_table) -%}
    {%- if is_ours() -%}
        {%- do fit_seed_columns(this, agate_table) -%}
    {%- endif -%}
    {{ return(sql) }}
{%- endmacro %}


{#-
    dbt truncates the table, so that readers wait and then see it empty; with --full-refresh it drops it, with every view
    above it. Here the rows go that the file no longer has. A second build waits at the lock, and then finds less to do.
-#}
{% macro postgres__reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {%- if not is_ours() -%}
        {{ return(default__reset_csv_table(model, full_refresh, old_relation, agate_table)) }}
    {%- endif -%}
    {%- do fit_seed_columns(old_relation, agate_table) -%}
    {%- set sql -%}
        lock table {{ old_relation }} in share row exclusive mode;
        delete from {{ old_relation }} as stored
        where not exists (
            select 1
            from ({{ seed_content_sql(agate_table) }}) as csv
            where {{ is_same_seed_row(agate_table) }}
        )
    {%- endset -%}
    {%- call statement('deleted_seed_rows') -%} {{ sql }} {%- endcall -%}
    {{ return(sql) }}
{%- endmacro %}


{#- Only rows that the table lacks are written, each line once: dbt would load blank and repeated lines, too. -#}
{% macro postgres__load_csv_rows(model, agate_table) -%}
    {%- if not is_ours() -%}
        {{ return(default__load_csv_rows(model, agate_table)) }}
    {%- endif -%}
    {%- set sql -%}
        insert into {{ this }} ({{ get_quoted_csv(agate_table.column_names) }})
        select {{ get_quoted_csv(agate_table.column_names) }}
        from ({{ seed_content_sql(agate_table) }}) as csv
        where not exists (select 1 from {{ this }} as stored where {{ is_same_seed_row(agate_table) }})
    {%- endset -%}
    {%- call statement('seed_rows') -%} {{ sql }} {%- endcall -%}
    {{ return(sql) }}
{%- endmacro %}


{%- macro is_same_seed_row(csv) -%}
    {%- for name in seed_column_types(csv) %}
    stored.{{ adapter.quote(name) }} is not distinct from
    {{- ' csv.' ~ adapter.quote(name) if name in csv.column_names else ' null' }}{{ ' and' if not loop.last }}
    {%- endfor %}
{%- endmacro -%}


{#-
    Adds the columns that the table lacks, retypes others, and drops those that the file no longer has unless somebody
    reads them: so an older version, whose views still do, can build again.
-#}
{%- macro fit_seed_columns(relation, csv) -%}
    {%- set query -%}
        with declared (column_name, data_type) as (
            values
            {%- for name, type in seed_column_types(csv).items() %}
            ({{ sql_literal(name) }}, {{ sql_literal(type) }}){{ ',' if not loop.last }}
            {%- endfor %}
        ),

        wanted as (
            select
                column_name,
                data_type::pg_catalog.regtype::text
                || coalesce(substring(replace(data_type, ' ', '') from '[(].*[)]'), '') as data_type
            from declared
        ),

        stored as (
            select attname as column_name, pg_catalog.format_type(atttypid, atttypmod) as data_type
            from pg_catalog.pg_attribute
            where attrelid = {{ sql_literal(relation) }}::pg_catalog.regclass and attnum > 0 and not attisdropped
        )

        select column_name, wanted.data_type as wanted_type, stored.data_type as stored_type
        from wanted
        full join stored using (column_name)
        where wanted.data_type is distinct from stored.data_type
    {%- endset -%}
    {%- for column, wanted_type, stored_type in run_query(query) -%}
        {%- set name = adapter.quote(column) -%}
        {%- if not stored_type -%}
            {%- set action = 'add column ' ~ name ~ ' ' ~ wanted_type -%}
        {%- elif wanted_type -%}
            {%- set action = 'alter column ' ~ name ~ ' type ' ~ wanted_type ~ ' using null' -%}
        {%- else -%}
            {%- set action = 'drop column ' ~ name -%}
        {%- endif -%}
        {%- do run_query(without_queueing('alter table ' ~ relation ~ ' ' ~ action, may_be_used=not wanted_type)) -%}
    {%- endfor -%}
{%- endmacro -%}
