{#- Whether a later odometer reading can follow an earlier one: no fall, and no more than the most a vehicle
    can drive in the time between (a day at least, since many fills carry only a date). -#}
{% macro readings_agree(earlier_km, earlier_s, later_km, later_s) -%}
(
    {{ later_km }} - {{ earlier_km }} between 0
    and greatest({{ later_s }} - {{ earlier_s }}, 86400) * {{ economy_setting('max_km_per_day') }} / 86400
)
{%- endmacro %}
