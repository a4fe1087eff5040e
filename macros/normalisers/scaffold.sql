{#- SCAFFOLD: naive stand-ins with the final names and signatures, to be replaced one by one. -#}
{% macro norm_plate(value) %}nullif(regexp_replace(upper({{ value }}), '[^A-Z0-9]', '', 'g'), ''){% endmacro %}
{% macro canon_fuel_type(value) %}(case when lower({{ value }}) ~ '^d' then 'diesel' when lower({{ value }}) ~ '^p' then 'petrol' end){% endmacro %}
{% macro canon_department(value) %}initcap(trim({{ value }})){% endmacro %}
{% macro parse_number(value) %}nullif(regexp_replace({{ value }}, '[^0-9.]', '', 'g'), '')::numeric{% endmacro %}
{% macro parse_timestamp(value) %}(case when {{ value }} ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d' then ({{ value }})::timestamptz end){% endmacro %}
{#- First non-empty raw key of a column, by var feed_fields, as text. -#}
{% macro feed_text(column) %}coalesce({% for key in var('feed_fields')[column] %}nullif(trim(raw ->> '{{ key }}'), ''){{ ', ' if not loop.last }}{% endfor %}){% endmacro %}
{% macro alias_key(value) %}nullif(trim(regexp_replace(lower({{ value }}), '[^[:alnum:]]+', ' ', 'g')), ''){% endmacro %}
