{#- Fills at the same time stand in the same order whatever the database's locale. -#}
{% macro fill_sort_key() -%}
filled_at, odometer_km, id collate "C"
{%- endmacro %}


{% macro order_of_fills() -%}
order by {{ fill_sort_key() }}
{%- endmacro %}


{#- The same order, for blocks follow one another in time; rows sorted by block need no new sort. -#}
{% macro order_by_blocks() -%}
order by block, {{ fill_sort_key() }}
{%- endmacro %}
