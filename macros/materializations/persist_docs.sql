{#-
    Overrides dbt's own, which rewrites every comment at every run: only comments that differ are written. On a table
    that also spares autovacuum, which yields to the lock a comment takes.
-#}
{% macro postgres__persist_docs(relation, model, for_relation, for_columns) -%}
    {%- set wanted = {} -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- do wanted.update({'': model.description}) -%}
    {%- endif -%}
    {%- if for_columns and config.persist_column_docs() -%}
        {%- for column in model.columns.values() if column.description -%}
            {%- do wanted.update({column.name: column.description}) -%}
        {%- endfor -%}
    {%- endif -%}

    {%- if wanted -%}
        {%- set query -%}
            select
                coalesce(attribute.attname, '') as name,
                coalesce(pg_catalog.col_description(class.oid, attribute.attnum), '') as description
            from pg_catalog.pg_class as class
            inner join pg_catalog.pg_attribute as attribute on class.oid = attribute.attrelid and attribute.attnum > 0
            where class.oid = '{{ relation }}'::regclass
            union all
            select '', coalesce(pg_catalog.obj_description('{{ relation }}'::regclass, 'pg_class'), '')
        {%- endset -%}
        {%- set statements = [] -%}
        {%- for row in run_query(query) if row['name'] in wanted and row['description'] != wanted[row['name']] -%}
            {%- set object = 'column ' ~ relation ~ '.' ~ adapter.quote(row['name']) if row['name'] else relation.type ~ ' ' ~ relation -%}
            {%- do statements.append('comment on ' ~ object ~ ' is ' ~ postgres_escape_comment(wanted[row['name']])) -%}
        {%- endfor -%}
        {%- if statements -%}
            {%- do run_query(statements | join(';\n')) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
