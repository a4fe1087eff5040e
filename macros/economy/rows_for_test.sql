{#-
    SQL of the rows that a unit test gives to a step. dbt itself refuses them, for an ephemeral model is no table whose
    columns it could read. A column that a row leaves out is null, unless it follows from others of the row.
-#}
{% macro rows_for_test(step, rows) -%}
    {%- set follows = {
        'plate': "'KCA111A'",
        'filled_s': "date_part('epoch', filled_at)",
        'reading_km': 'case when odometer_km > 0 then odometer_km end',
        'is_counted': 'unusable_reason is null and duplicate_of_id is null',
        'has_reading': 'unusable_reason is null and duplicate_of_id is null and coalesce(odometer_km, 0) > 0',
        'usable_litres': 'case when litres > 0 then litres end',
        'has_implausible_litres': 'false',
        'has_time': 'true',
        'created_at': 'filled_at',
        'takes_two_fuels': 'false',
    } -%}
    {%- set columns = {} -%}
    {%- set names = step_columns() | list -%}
    {%- for name in names[:names.index(step) + 1] -%}
        {%- do columns.update(step_columns()[name]) -%}
    {%- endfor -%}
    with given as (
        {%- for row in rows %}
        {%- for name in row if name not in columns -%}
            {%- do exceptions.raise_compiler_error("rows_for_test: " ~ step ~ " has no column " ~ name ~ ".") -%}
        {%- endfor %}
        select
            {%- for name, data_type in columns.items() %}
            {{ 'null' if row.get(name) is none else sql_literal(row[name]) }}::{{ data_type }} as {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    )
    select
        {%- for name, data_type in columns.items() %}
        {{ 'coalesce(' ~ name ~ ', ' ~ follows[name] ~ ') as ' ~ name if name in follows else name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from given
{%- endmacro %}
