{#-
    Today's date in Nairobi. The var `today` puts another date in its place: so docs/questions.md can be written of one
    day. A unit test overrides the macro.
-#}
{% macro nairobi_today() -%}
    {%- if var('today', none) -%}
        date '{{ modules.datetime.date.fromisoformat(var('today') | string) }}'
    {%- else -%}
        (now() at time zone 'Africa/Nairobi')::date
    {%- endif -%}
{%- endmacro %}


{#- The instant at which `day` begins in Nairobi: what an index on a time understands. -#}
{% macro nairobi_midnight(day) -%}
    (({{ day }})::timestamp at time zone 'Africa/Nairobi')
{%- endmacro %}
