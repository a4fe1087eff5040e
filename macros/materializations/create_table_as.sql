{#-
    Overrides dbt's own: with a contract dbt creates the table empty and inserts into it, which PostgreSQL cannot do in
    parallel and which maintains the primary key row by row. Here the contract's types are cast to, and its constraints
    are added once the rows are there. JIT is off: compiling these long expressions takes seconds, even for one row.
-#}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- if temporary or not config.get('contract').enforced -%}
        {{ return('set local jit = off;\n' ~ dbt.postgres__create_table_as(temporary, relation, sql)) }}
    {%- endif -%}
    {{ get_assert_columns_equivalent(sql) }}
    set local jit = off;
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
