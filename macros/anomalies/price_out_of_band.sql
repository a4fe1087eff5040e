{#- A price per litre above what is allowed, or far below it. -#}
{% macro anomaly_price_out_of_band() -%}
    {%- set lowest = 'expected_price * (1 - price_out_of_band_max_share_below)' -%}
    {#- The regulated maximum is Nairobi's: far from there the transport comes on top, in every year as many shillings. -#}
    {%- set highest -%}
        expected_price + greatest(
            expected_price * price_out_of_band_max_share_above,
            case when is_regulated then price_out_of_band_max_transport_kes else 0 end
        )
    {%- endset -%}
    {%- set found -%}
        (
            price_per_litre_kes > {{ highest }}
            -- Too many litres make the price too low.
            or (price_per_litre_kes < {{ lowest }} and not has_litres_over_usual_maximum)
        )
        and (is_regulated or fleet_fills >= price_out_of_band_min_fleet_fills)
        and abs(price_per_litre_kes - expected_price) * litres >= price_out_of_band_min_kes
        and is_judged and not has_litres_amount_swapped and not has_fuel_type_unusual
    {%- endset -%}
    {%- set observed -%}
        -- The band is rounded inwards, and a price a hair beside it shown with all its places.
        'KES ' || case
            when round(price_per_litre_kes, 2) between {{ lowest }} and {{ highest }}
                then {{ figure('price_per_litre_kes', 2, 2) }}
            else {{ figure('price_per_litre_kes', 2) }}
        end || ' per litre'
    {%- endset -%}
    {%- set expected -%}
        'KES ' || {{ figure('ceil(' ~ lowest ~ ' * 100) / 100', 2) }} || ' to '
        || {{ figure('trunc(' ~ highest ~ ', 2)', 2) }} || ' per litre'
    {%- endset -%}
    {%- set explanation -%}
        concat(
            'KES ', {{ figure('amount_kes') }}, ' for ', {{ figure('litres', 1) }}, ' l is KES ',
            {{ figure('price_per_litre_kes', 2) }}, ' per litre of ', fuel_type, '; ', {{ words_for_expected_price() }},
            ' is KES ', {{ figure('expected_price', 2) }}, '.'
        )
    {%- endset -%}
    {{ return({
        'thresholds': {
            'max_share_above': [0, 1],
            'max_share_below': [0, 1],
            'max_transport_kes': [0, 100],
            'min_kes': [0, 100000],
            'min_fleet_fills': [1, 1000000],
        },
        'after': ['litres_amount_swapped', 'fuel_type_unusual', 'litres_over_usual_maximum'],
        'found': found,
        'observed': observed,
        'expected': expected,
        'kes_at_risk': 'least(round(abs(price_per_litre_kes - expected_price) * litres, 2), abs(amount_kes))',
        'explanation': explanation,
    }) }}
{%- endmacro %}
