{#-
    The regulated maximum price of a fill, as joins for a `from` clause that holds `fill` (a relation with fuel_type
    and filled_at). They give regulated_price.max_price_kes_per_litre, null where no line of the seed holds, and
    regulated_price.first_valid_from, the day of the first line.

    A town's own prices come first, else those without a town: Nairobi's. `city` is the town of the vehicle.
-#}
{% macro regulated_price(fill, city) -%}
    {%- set start = "valid_from::timestamp at time zone 'Africa/Nairobi'" -%}
    {%- set town = 'lower(trim(caps.town))' -%}
    {%- for prices, condition in [('town_prices', 'is not null'), ('usual_prices', 'is null')] %}
    left join (
        -- A fuel's prices in their order, and the instants from which they hold.
        select
            fuel_type,
            {{ town ~ ' as town,' if prices == 'town_prices' }}
            min(valid_from) as first_valid_from,
            array_agg({{ start }} order by valid_from) as starts,
            array_agg(max_price_kes_per_litre order by valid_from) as prices
        from {{ ref('fuel_price_caps') }} as caps
        where {{ town }} {{ condition }}
        group by fuel_type{{ ', ' ~ town if prices == 'town_prices' }}
    ) as {{ prices }}
        on {{ fill }}.fuel_type = {{ prices }}.fuel_type
        {{ 'and lower(trim(' ~ city ~ ')) = town_prices.town' if prices == 'town_prices' }}
    {%- endfor %}
    left join lateral (
        select
            -- The price before the first one is null.
            coalesce(
                town_prices.prices[width_bucket({{ fill }}.filled_at, town_prices.starts)],
                usual_prices.prices[width_bucket({{ fill }}.filled_at, usual_prices.starts)]
            ) as max_price_kes_per_litre,
            least(town_prices.first_valid_from, usual_prices.first_valid_from) as first_valid_from
    ) as regulated_price on true
{%- endmacro %}
