{#- A text as a SQL literal that means the same whatever `standard_conforming_strings` is. Every text of people that
    reaches SQL goes through here. -#}
{% macro sql_literal(text) -%}
    e'{{ text | string | replace('\\', '\\\\') | replace("'", "''") }}'
{%- endmacro %}
