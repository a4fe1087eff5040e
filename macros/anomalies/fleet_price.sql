{#-
    The fleet's own price of a fill, as a join for a `from` clause that holds `fill` (a relation with fuel_type,
    filled_week and is_before_maximum): the median of that week and fuel, where no regulated price is known. It gives
    fleet.median_price and fleet.samples, how many fills the median stands on.

    Whether it is asked for hangs on week and fuel alone, so PostgreSQL remembers it from fill to fill, and reads it
    through its index; it would not if the rules' conditions, which need the thresholds, could be put to this join.
-#}
{% macro fleet_price(fill) -%}
    left join lateral (
        select
            percentile_cont(0.5) within group (order by price_per_litre_kes)::numeric as median_price,
            count(*) as samples
        from fill_intervals as same_week
        where
            {{ fill }}.is_before_maximum
            and same_week.fuel_type = {{ fill }}.fuel_type
            and same_week.fuel_type <> 'not_fuel'
            and same_week.filled_week = {{ fill }}.filled_week
            and same_week.price_per_litre_kes > 0
            and coalesce(same_week.exclusion_reason, '') not in ('not_live', 'duplicate', 'corrected')
    ) as fleet on true
{%- endmacro %}
