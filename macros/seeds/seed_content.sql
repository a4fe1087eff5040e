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


{#-
    Each cell is a typed literal: to cast a column of texts would not be a plain value, which a cluster wants. A file may
    hold blank lines alone, and `values` cannot be empty: the first row only names the types.
-#}
{%- macro seed_lines_sql(csv, kept=none) -%}
    {%- set types = seed_column_types(csv) -%}
    select *
    from (
        values
        (0 {%- for name in csv.column_names %}, null::{{ types[name] }} {%- endfor %})
        {%- for line, row in seed_lines(csv) if kept is none or line in kept %},
        ({{ line }}
        {#- Blanks around a cell are not to be seen, neither in the file nor in a report. -#}
        {%- set texts = [] -%}
        {%- for cell in row -%}
            {%- do texts.append('' if cell is none else cell | string | trim) -%}
        {%- endfor -%}
        {%- for literal in sql_literals(texts) -%}
            , {{ literal if texts[loop.index0] else 'null' }}::{{ types[csv.column_names[loop.index0]] }}
        {%- endfor -%})
        {%- endfor %}
    ) as csv_lines (line {%- for name in csv.column_names %}, {{ adapter.quote(name) }} {%- endfor %})
    where line > 0
{%- endmacro -%}


{#- Each key once, by its first line. The lines are chosen first: a cluster wants only plain values in what is written. -#}
{%- macro seed_content_sql(csv) -%}
    {%- set key = seed_key_sql(csv) -%}
    {%- set lines = seed_lines_sql(csv) -%}
    {%- if key -%}
        {%- set first_lines -%}
            select distinct on ({{ key }}) line from ({{ lines }}) as lines order by {{ key }}, line
        {%- endset -%}
        {%- set kept = run_query(first_lines).columns[0].values() | map('int') | list -%}
        {%- if kept | length < seed_lines(csv) | length -%}
            {%- set lines = seed_lines_sql(csv, kept) -%}
        {%- endif -%}
    {%- endif -%}
    select distinct {{ get_quoted_csv(csv.column_names) }} from ({{ lines }}) as lines
{%- endmacro -%}
