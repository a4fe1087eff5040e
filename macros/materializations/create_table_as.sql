{#-
    Overrides dbt's own: with a contract dbt creates the table empty and inserts into it, which PostgreSQL cannot do in
    parallel and which maintains the primary key row by row. Here the contract's types are cast to, and its constraints
    are added once the rows are there.
-#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- if temporary or not config.get('contract').enforced -%}
        {{ return(settings_of_long_statements() ~ dbt.postgres__create_table_as(temporary, relation, sql)) }}
    {%- endif -%}
    {{ get_assert_columns_equivalent(sql) }}
    {{ settings_of_long_statements() }}
    create table {{ relation }} as
    select
        {%- for column in model['columns'].values() %}
        {{ adapter.quote(column['name']) }}::{{ column['data_type'] }} as {{ adapter.quote(column['name']) }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from (
    {{ sql }}
    ) as model_sql;

    {%- set actions = [] -%}
    {%- set constraints = model['constraints'] | list -%}
    {%- for column in model['columns'].values() -%}
        {%- for constraint in column['constraints'] -%}
            {%- if constraint['type'] == 'not_null' -%}
                {%- do actions.append('alter column ' ~ adapter.quote(column['name']) ~ ' set not null') -%}
            {%- else -%}
                {%- do constraints.append(dict(constraint, columns=[column['name']])) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for constraint in adapter.render_raw_model_constraints(raw_constraints=constraints) -%}
        {%- do actions.append('add ' ~ constraint) -%}
    {%- endfor %}
    {% if actions -%}
    alter table {{ relation }} {{ actions | join(', ') }};
    {%- endif %}
{%- endmacro %}


{#-
    JIT is off: compiling these long expressions takes seconds, even for one row. What a first build sorts and hashes
    should not go through files, and a hash join that stays in memory keeps the rows in their order, the order of time.
    A limit that the database sets for others' statements (transaction_timeout came with 17) would cut the first build
    of a long history short, hour by hour.
-#}
{% macro settings_of_long_statements() -%}
    set local jit = off;
    set local statement_timeout = 0;
    set local lock_timeout = 0;
    select set_config(name, '0', true) from pg_catalog.pg_settings where name = 'transaction_timeout';
    select set_config('work_mem', greatest(pg_size_bytes(current_setting('work_mem')), {{ 64 * 1024 * 1024 }}) || 'B', true);
{% endmacro %}
