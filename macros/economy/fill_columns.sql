{#- What each step carries along of a fill; a narrow row is quicker to sort. -#}
{% macro fill_columns() -%}
id,
    plate,
    filled_at,
    department_raw,
    fuel_type_raw,
    fuel_type,
    litres,
    amount_kes,
    price_per_litre_kes,
    odometer_km,
    load_id,
    reading_km,
    filled_s,
    unusable_reason,
    duplicate_of_id
{%- endmacro %}
