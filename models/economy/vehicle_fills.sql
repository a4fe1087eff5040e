{%- set economy = var('economy') -%}

with fills as (

    select
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
        case when odometer_km > 0 then odometer_km end::double precision as reading_km,
        date_part('epoch', filled_at) as filled_s,
        case
            when deleted_at is not null or absent_since is not null then 'not_live'
            when filled_at is null then 'time_missing'
        end as unusable_reason
    from {{ ref('records') }}
    where plate is not null

),

compared_with_same_fill as (

    -- The vehicle's two fills before with the same litres and amount, and its first with the same reading.
    select
        fills.*,
        lag(id) over same_fill as same_id,
        filled_s - lag(filled_s) over same_fill as seconds_since_same,
        reading_km - lag(reading_km) over same_fill as km_since_same,
        lag(id, 2) over same_fill as earlier_same_id,
        reading_km - lag(reading_km, 2) over same_fill as km_since_earlier_same,
        filled_s - first_value(filled_s) over same_reading as seconds_since_reading
    from fills
    window
        same_fill as (
            partition by plate, unusable_reason is null, litres, amount_kes
            {{ order_of_fills() }}
        ),
        same_reading as (
            partition by plate, unusable_reason is null, reading_km
            {{ order_of_fills() }}
        )

),

marked_duplicates as (

    -- A reading that was the same already a day before proves nothing: the odometer does not move. A report
    -- without a reading may lie between the two.
    select
        compared_with_same_fill.*,
        case
            when unusable_reason is not null or coalesce(litres, amount_kes) is null then null
            when
                coalesce(km_since_same, 0) = 0
                and seconds_since_same <= {{ economy.duplicate_max_hours_without_odometer }} * 3600
                then same_id
            when seconds_since_reading <= {{ economy.duplicate_max_hours }} * 3600
                then
                    case
                        when km_since_same = 0 then same_id
                        when km_since_earlier_same = 0 then earlier_same_id
                    end
        end as duplicate_of_id
    from compared_with_same_fill

)

select
    {{ fill_columns() }},
    unusable_reason is null and duplicate_of_id is null as is_counted,
    unusable_reason is null and duplicate_of_id is null and reading_km is not null as has_reading
from marked_duplicates
order by plate
