with neighbours as (

    select
        {% for n in range(1, 4) %}
            lag(reading_km, {{ n }}) over readings as km_before_{{ n }},
            lag(filled_s, {{ n }}) over readings as s_before_{{ n }},
            lead(reading_km, {{ n }}) over readings as km_after_{{ n }},
            lead(filled_s, {{ n }}) over readings as s_after_{{ n }},
        {% endfor %}
        corrected_fills.*
    from {{ ref('corrected_fills') }} as corrected_fills
    window readings as (
        partition by plate, has_reading
        {{ order_of_fills() }}
    )

),

supported_readings as (

    -- How many of the three readings before and the three after agree, minus how many disagree.
    select
        {{ fill_columns() }},
        is_counted,
        has_reading,
        {{ readings_agree('km_before_1', 's_before_1', 'reading_km', 'filled_s') }}
        as agrees_with_previous,
        {{ readings_agree('reading_km', 'filled_s', 'km_after_1', 's_after_1') }} as agrees_with_next,
        {{ readings_agree('km_before_1', 's_before_1', 'km_after_1', 's_after_1') }} as neighbours_agree,
        {%- for n in range(1, 4) %}
            case
            {{ readings_agree('km_before_' ~ n, 's_before_' ~ n, 'reading_km', 'filled_s') }}
                when true then 1 when false then -1 else 0
            end
            + case
            {{ readings_agree('reading_km', 'filled_s', 'km_after_' ~ n, 's_after_' ~ n) }}
                when true then 1 when false then -1 else 0
            end{{ ' +' if not loop.last }}
        {%- endfor %} as support
    from neighbours
    order by plate, has_reading, {{ fill_sort_key() }}

),

compared_support as (

    select
        supported_readings.*,
        lag(support) over readings as previous_support,
        lead(support) over readings as next_support
    from supported_readings
    window readings as (
        partition by plate, has_reading
        {{ order_of_fills() }}
    )

)

-- If two neighbours disagree, the one with less support is wrong; with equal support the later one,
-- unless the reading after it disagrees with the earlier one too: then the odometer itself was replaced.
select
    {{ fill_columns() }},
    is_counted,
    has_reading,
    has_reading
    and support > -2
    and not coalesce(not agrees_with_next and support < next_support, false)
    and not coalesce(
        not agrees_with_previous
        and (
            support < previous_support
            or (support = previous_support and neighbours_agree is not false)
        ),
        false
    ) as has_good_reading
from compared_support
order by plate
