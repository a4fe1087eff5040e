{#-
    Under a contract dbt creates the table empty and inserts into it, which PostgreSQL cannot do in parallel and which
    maintains the primary key row by row. Here the rows come first, cast to the contract's types; its constraints follow
    in the hook `add_constraints`.
-#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- if temporary or not is_ours() or not config.get('contract').enforced -%}
        {{ return(dbt.postgres__create_table_as(temporary, relation, sql)) }}
    {%- endif -%}
    {{ get_assert_columns_equivalent(sql) }}
    create table {{ relation }} as
    select
        {%- for column in model['columns'].values() %}
        {{ adapter.quote(column['name']) }}::{{ column['data_type'] }} as {{ adapter.quote(column['name']) }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from (
    {{ sql }}
    ) as model_sql
{%- endmacro %}


{#- Post-hook of a table's first build, within its transaction. One statement at a time, as a cluster wants it. -#}
{% macro add_constraints() -%}
    {%- if execute and not is_incremental() -%}
        {%- set constraints = model['constraints'] | list -%}
        {%- for column in model['columns'].values() -%}
            {%- for constraint in column['constraints'] -%}
                {%- if constraint['type'] == 'not_null' -%}
                    {%- do run_query('alter table ' ~ this ~ ' alter column ' ~ adapter.quote(column['name']) ~ ' set not null') -%}
                {%- else -%}
                    {%- do constraints.append(dict(constraint, columns=[column['name']])) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- for constraint in adapter.render_raw_model_constraints(raw_constraints=constraints) -%}
            {%- do run_query('alter table ' ~ this ~ ' add ' ~ constraint) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
