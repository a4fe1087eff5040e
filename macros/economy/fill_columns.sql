{#- The columns of a record that the first steps take. -#}
{% macro record_columns() -%}
id,
    plate,
    filled_at,
    has_time,
    created_at,
    department_raw,
    fuel_type_raw,
    fuel_type,
    litres,
    amount_kes,
    price_per_litre_kes,
    odometer_km,
    load_id
{%- endmacro %}


{#- The columns of a fill that each later step carries along; a narrow row is quicker to sort. -#}
{% macro fill_columns() -%}
id,
    plate,
    filled_at,
    has_time,
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
    duplicate_of_id,
    corrected_field,
    corrected_to
{%- endmacro %}
