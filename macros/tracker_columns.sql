{#-
    Which columns of the tracker's table hold what fleetfuel needs: a dictionary from our name to a quoted column, by var
    `tracksolid_columns`, the first one that exists. `active` and `latest` only choose between devices of one plate, so
    without them it is `null`; anything else that is missing stops the model with a message that names the var.
-#}
{% macro tracker_columns() -%}
    {%- set candidates = var('tracksolid_columns') -%}
    {%- set found = {} -%}
    {%- if execute -%}
        {%- set devices = source('tracksolid', 'devices') -%}
        {#- Not information_schema, which has no materialized views. Names, as a regclass of a schema that may not be
            used is an error. -#}
        {%- set query -%}
            select attribute.attname
            from pg_catalog.pg_namespace as namespace
            inner join pg_catalog.pg_class as class on namespace.oid = class.relnamespace
            inner join pg_catalog.pg_attribute as attribute on class.oid = attribute.attrelid
            where
                namespace.nspname = {{ sql_literal(devices.schema) }}
                and class.relname = {{ sql_literal(devices.identifier) }}
                and attribute.attnum > 0
                and not attribute.attisdropped
                and pg_catalog.has_schema_privilege(namespace.oid, 'usage')
                and pg_catalog.has_column_privilege(class.oid, attribute.attnum, 'select')
            order by attribute.attnum
        {%- endset -%}
        {%- set present = run_query(query).columns[0].values() | list -%}
        {%- if not present -%}
            {%- do exceptions.raise_compiler_error(
                "The tracker's table " ~ devices.schema ~ "." ~ devices.identifier ~ " does not exist, or "
                ~ run_query('select current_user').columns[0].values()[0] ~ " may not read it. Set the vars"
                ~ " tracksolid_schema and tracksolid_devices_table in dbt_project.yml, or have it granted."
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {%- for name, columns in candidates.items() -%}
        {%- set existing = columns | select('in', present or columns) | list -%}
        {%- if existing -%}
            {%- do found.update({name: adapter.quote(existing[0])}) -%}
        {%- elif name in ('active', 'latest') -%}
            {%- do found.update({name: 'null'}) -%}
        {%- else -%}
            {%- do exceptions.raise_compiler_error(
                "The tracker's table has no column for " ~ name ~ ": looked for " ~ columns | join(', ') ~ ", found "
                ~ present | join(', ') ~ ". Set the var tracksolid_columns in dbt_project.yml."
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
