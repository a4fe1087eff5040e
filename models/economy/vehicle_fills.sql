with fills as (

    select
        {{ record_columns() }},
        case when odometer_km > 0 then odometer_km end::double precision as reading_km,
        date_part('epoch', filled_at) as filled_s,
        case
            when deleted_at is not null or absent_since is not null then 'not_live'
            when fuel_type = 'not_fuel' then 'not_fuel'
            when filled_at is null then 'time_missing'
        end as unusable_reason
    from {{ ref('records') }}
    where plate is not null

),

same_readings as (

    -- The three reports before and the three after of the same reading. A report without one has its turn in
    -- the next step. Different things that are no fuel may well cost the same.
    select
        fills.*,
        array_agg((id, created_at, filled_s, litres, amount_kes)) over near as near_reports,
        first_value(filled_s) over of_reading as reading_since_s
    from fills
    window
        of_reading as (
            partition by
                plate,
                unusable_reason,
                case when unusable_reason = 'not_fuel' then fuel_type_raw end,
                reading_km,
                case when reading_km is null then id end
            order by filled_at, created_at, id collate "C"
        ),
        near as (of_reading rows between 3 preceding and 3 following)

)

-- A reading that was the same already a day before proves nothing: the odometer does not move.
select
    {{ record_columns() }},
    reading_km,
    filled_s,
    unusable_reason,
    case
        when cardinality(near_reports) > 1 and coalesce(unusable_reason, 'not_fuel') = 'not_fuel' then (
            select other.id
            from
                unnest(near_reports) as other (
                    id text,
                    created_at timestamptz,
                    filled_s double precision,
                    litres numeric,
                    amount_kes numeric
                )
            where
                {{ reported('other') }} < {{ reported('same_readings') }}
                and {{ same_litres('other', 'same_readings') }}
                and {{ same_amount('other', 'same_readings') }}
                and coalesce(other.litres, other.amount_kes) is not null
                and (
                    abs(other.filled_s - same_readings.filled_s)
                    <= {{ economy_setting('resend_max_hours') }} * 3600
                    or greatest(other.filled_s, same_readings.filled_s) - reading_since_s
                    <= {{ economy_setting('duplicate_max_hours') }} * 3600
                )
            order by {{ reported('other') }}
            limit 1
        )
    end as repeats_id
from same_readings
order by plate
