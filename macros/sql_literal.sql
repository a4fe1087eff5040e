{#- A text as a SQL literal that means the same whatever `standard_conforming_strings` is. Every text of people that
    reaches SQL goes through here. -#}
{% macro sql_literal(text) -%}
    {{ return(sql_literals([text])[0]) }}
{%- endmacro %}


{#- The same for a list of texts: to call a macro for each of some thousand cells would take dbt half a second. -#}
{% macro sql_literals(texts) -%}
    {%- set literals = [] -%}
    {%- for text in texts -%}
        {%- do literals.append("e'" ~ text | string | replace('\\', '\\\\') | replace("'", "''") ~ "'") -%}
    {%- endfor -%}
    {{ return(literals) }}
{%- endmacro %}
