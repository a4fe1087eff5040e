{#- Whether a later odometer reading can follow an earlier one: no fall, and no more than the most a vehicle
    can drive in the time between (a day at least, since many fills carry only a date). -#}
{% macro readings_agree(earlier_km, earlier_at, later_km, later_at) -%}
(
    {{ later_km }} >= {{ earlier_km }}
    and {{ later_km }} - {{ earlier_km }} <= {{ var('economy')['max_km_per_day'] }}
        * greatest(extract(epoch from {{ later_at }} - {{ earlier_at }}) / 86400, 1)
)
{%- endmacro %}
