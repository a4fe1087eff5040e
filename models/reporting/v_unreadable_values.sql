{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

-- The problem of each field of a live fill; null if there is none.
with fills as (

    select
        id,
        coalesce(raw_id, id) as landed_id,
        loaded_at,
        case when plate is null then 'no number plate is in it' end as plate_problem,
        case
            when fuel_type = 'not_fuel' then null
            when litres is null then 'it is no number of litres'
            when litres <= 0 then 'it is not above zero'
        end as litres_problem,
        case
            when amount_kes is null then 'it is no amount of money'
            when amount_kes <= 0 then 'it is not above zero'
        end as amount_problem,
        case
            when odometer_km is null then 'it is no number of kilometres'
            when odometer_km <= 0 then 'it is not above zero'
            when odometer_km > 2000000 then 'no vehicle has driven that far'
        end as odometer_problem,
        case
            when filled_at_typed is null then 'it is no time'
            when filled_at_typed > loaded_at + interval '1 hour' then 'it is later than its load'
            when filled_at_source = 'reported' then 'it is far from the time of the report'
        end as time_problem
    from {{ ref('records') }}
    where deleted_at is null and absent_since is null

),

-- The landing table has what was typed.
landed as (

    select
        id,
        {{ feed_text('car') }} as car,
        {{ feed_text('litres') }} as litres,
        {{ feed_text('amount') }} as amount,
        {{ feed_text('odometer') }} as odometer,
        {{ feed_text('filled_at') }} as filled_at
    from {{ source('fuel', 'records_raw') }}

),

problems as (

    select
        fills.id,
        found.field,
        left({{ visible_text('found.typed') }}, 200) as typed,
        case when found.typed is null then 'nothing was typed' else found.problem end as reason,
        fills.loaded_at
    from fills
    inner join landed on fills.landed_id collate "default" = landed.id -- noqa: RF02
    cross join
        lateral (
            values
            ('plate', landed.car, fills.plate_problem),
            ('litres', landed.litres, fills.litres_problem),
            ('amount_kes', landed.amount, fills.amount_problem),
            ('odometer_km', landed.odometer, fills.odometer_problem),
            ('filled_at', landed.filled_at, fills.time_problem)
        ) as found (field, typed, problem)
    where
        found.problem is not null
        -- A missing odometer reading is common.
        and (found.typed is not null or found.field <> 'odometer_km')
        -- Told of fills with a problem only: the others are not looked up in the landing table.
        and coalesce(
            fills.plate_problem,
            fills.litres_problem,
            fills.amount_problem,
            fills.odometer_problem,
            fills.time_problem
        ) is not null

)

select
    id,
    field,
    -- A date, or a number of up to seven digits, is no phone number, though it has as many digits.
    case
        when typed ~ e'^(?:[-+]?[0-9.,]{1,7}|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]{0,12}Z?)?)$' then typed
        else {{ without_phone_numbers('typed') }}
    end as typed,
    reason,
    loaded_at
from problems
