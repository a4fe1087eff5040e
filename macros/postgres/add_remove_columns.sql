{#-
    dbt alters the table within the model's transaction, so that readers wait until its last row is written. Here the
    table is locked for a moment only.
-#}
{% macro postgres__alter_relation_add_remove_columns(relation, add_columns=none, remove_columns=none) -%}
    {%- if not is_ours() -%}
        {{ return(dbt.default__alter_relation_add_remove_columns(relation, add_columns, remove_columns)) }}
    {%- endif -%}
    {%- set statements = [] -%}
    {%- for column in add_columns or [] -%}
        {#- PostgreSQL knows no precision for a computed number; a first build would take the type in the yml. -#}
        {%- set declared = model.columns.get(column.name, {}).get('data_type') -%}
        {%- do statements.append('add column ' ~ column.quoted ~ ' ' ~ (declared or column.expanded_data_type)) -%}
    {%- endfor -%}
    {%- for column in remove_columns or [] -%}
        {%- do statements.append('drop column ' ~ column.quoted) -%}
    {%- endfor -%}
    {%- if statements -%}
        {%- set alter = 'alter table ' ~ relation ~ ' ' -%}
        {%- do run_query(without_queueing(alter ~ statements | join('; ' ~ alter))) -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{%- endmacro %}
