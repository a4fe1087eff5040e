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
