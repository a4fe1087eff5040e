with chained_readings as (

    select
        judged_readings.*,
        case when has_good_reading then reading_km - lag(reading_km) over good_readings end
        as km_from_previous,
        case when has_good_reading then lead(reading_km) over good_readings - reading_km end as km_to_next,
        case when has_good_reading then lead(filled_s) over good_readings - filled_s end as seconds_to_next
    from {{ ref('judged_readings') }} as judged_readings
    window good_readings as (
        partition by plate, has_good_reading
        {{ order_of_fills() }}
    )

),

halved_distances as (

    select
        chained_readings.*,
        ntile(2)
            over (
                partition by plate, km_from_previous > 0
                order by km_from_previous, id
            )
        as half_of_distances
    from chained_readings

),

usual_distances as (

    -- The largest of the lower half is the median.
    select
        halved_distances.*,
        max(km_from_previous) filter (where km_from_previous > 0 and half_of_distances = 1)
            over (partition by plate)
        as median_distance_km
    from halved_distances

),

grouped_readings as (

    select
        usual_distances.*,
        coalesce(
            seconds_to_next <= {{ economy_setting('topup_max_hours') }} * 3600
            and km_to_next between 0 and least(
                {{ economy_setting('topup_max_km') }},
                {{ economy_setting('topup_max_share_of_usual_distance') }} * median_distance_km
            ),
            false
        ) as is_topped_up
    from usual_distances
    order by plate

)

-- An interval ends at a good reading that is neither topped up nor a repetition of the last such reading; the
-- litres of all fills since that one were burnt on the way to it.
select
    {{ fill_columns() }},
    is_counted,
    has_reading,
    has_good_reading,
    is_topped_up,
    has_good_reading and not is_topped_up
    and coalesce(lag(reading_km) over complete_readings <> reading_km, true) as ends_interval
from grouped_readings
window
    complete_readings as (
        partition by plate, has_good_reading and not is_topped_up
        {{ order_of_fills() }}
    )
order by plate
