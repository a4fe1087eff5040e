{#- Incremental strategy `upsert`: one `insert … on conflict do update` that writes only rows that differ. -#}
{% macro get_incremental_upsert_sql(arg_dict) -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | list -%}
    {%- set key = adapter.quote(arg_dict['unique_key']) -%}
    {%- set others = columns | reject('equalto', key) | list -%}
    insert into {{ arg_dict['target_relation'] }} as stored ({{ columns | join(', ') }})
    select {{ columns | join(', ') }} from {{ arg_dict['temp_relation'] }}
    on conflict ({{ key }}) do update set
        {% for column in others %}{{ column }} = excluded.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    where (
        {% for column in others %}stored.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    ) is distinct from (
        {% for column in others %}excluded.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    )
{%- endmacro %}
