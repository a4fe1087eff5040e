{#- A setting of var economy. `--vars '{economy: {…}}'` replaces the whole dictionary: then all that it leaves out is missing. -#}
{% macro economy_setting(name) -%}
    {%- set settings = var('economy') -%}
    {%- if settings is not mapping or settings.get(name) is none -%}
        {{- exceptions.raise_compiler_error(
            'vars: economy has no ' ~ name ~ '. With --vars economy is replaced as a whole: name each of its settings, as in dbt_project.yml.'
        ) -}}
    {%- endif -%}
    {{ return(settings[name]) }}
{%- endmacro %}
