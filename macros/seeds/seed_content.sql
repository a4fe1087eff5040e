{#- PostgreSQL type by column: as declared, also of a column that the file may leave out, else as dbt infers it. -#}
{%- macro seed_column_types(csv) -%}
    {%- set types = {} -%}
    {%- for name in csv.column_names -%}
        {%- do types.update({name: adapter.convert_type(csv, loop.index0)}) -%}
    {%- endfor -%}
    {%- do types.update(config.get('column_types') or {}) -%}
    {%- do types.update(config.meta_get('csv_checks', {}).get('optional', {})) -%}
    {{ return(types) }}
{%- endmacro -%}


{%- macro seed_key_sql(csv) -%}
    {%- set checks = config.meta_get('csv_checks', {}) -%}
    {%- set key = [] -%}
    {%- for name in checks.get('key', []) if name in csv.column_names -%}
        {%- set normalised = alias_key(adapter.quote(name) ~ '::text') -%}
        {%- do key.append(normalised if name in checks.get('required', []) else "coalesce(" ~ normalised ~ ", '')") -%}
    {%- endfor -%}
    {{ return('array[' ~ key | join(', ') ~ ']' if key else none) }}
{%- endmacro -%}


{%- macro seed_lines(csv) -%}
    {%- set lines = [] -%}
    {%- for row in csv.rows -%}
        {%- if row | reject('none') | join | trim -%}
            {%- do lines.append((loop.index + 1, row)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(lines) }}
{%- endmacro -%}


{%- macro seed_lines_sql(csv) -%}
    {%- set types = seed_column_types(csv) -%}
    select
        line
        {%- for name in csv.column_names %},
        {{ adapter.quote(name) }}::{{ types[name] }} as {{ adapter.quote(name) }}
        {%- endfor %}
    from (
        values
        {%- for line, row in seed_lines(csv) %}
        ({{ line }}
        {%- for cell in row -%}
            {#- Blanks around a cell are not to be seen, neither in the file nor in a report. -#}
            {%- set text = '' if cell is none else cell | string | trim -%}
            , {{ sql_literal(text) if text else 'null' }}
        {%- endfor -%}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as csv_lines (line {%- for name in csv.column_names %}, {{ adapter.quote(name) }} {%- endfor %})
{%- endmacro -%}


{%- macro seed_content_sql(csv) -%}
    {%- set key = seed_key_sql(csv) -%}
    select distinct{% if key %} on ({{ key }}){% endif %}
        {{ get_quoted_csv(csv.column_names) }}
    from ({{ seed_lines_sql(csv) }}) as lines
    {%- if key %}
    order by {{ key }}, line
    {%- endif %}
{%- endmacro -%}
