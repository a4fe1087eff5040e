{#- dbt creates a model's `indexes` with the table only; this adds those that were declared later. -#}
{% macro create_missing_indexes(relation) -%}
    {%- set query -%}
        -- The list of a definition, as `filled_at DESC NULLS LAST, id DESC`.
        select lower(substring(pg_catalog.pg_get_indexdef(indexrelid) from '[(](.*)[)]')) as columns
        from pg_catalog.pg_index
        where pg_index.indrelid = '{{ relation }}'::regclass
    {%- endset -%}
    {%- set present = run_query(query).columns[0].values() | list -%}
    {%- for index in config.get('indexes', default=[]) if index['columns'] | join(', ') | lower not in present -%}
        {%- do run_query(get_create_index_sql(relation, index)) -%}
    {%- endfor -%}
{%- endmacro %}
