with believed_litres as (

    select
        interval_ends.*,
        case when litres > 0 then litres end as usable_litres,
        coalesce(
            litres > {{ economy_setting('max_litres_per_fill') }}
            or (
                price_per_litre_kes not between {{ economy_setting('min_price_kes_per_litre') }}
                and {{ economy_setting('max_price_kes_per_litre') }}
                and fuel_type is distinct from 'electric'
            ),
            false
        ) as has_implausible_litres
    from {{ ref('interval_ends') }} as interval_ends
    order by plate

),

numbered_intervals as (

    select
        believed_litres.*,
        count(*) filter (where ends_interval) over vehicle - ends_interval::int as interval_number,
        row_number() over vehicle - 1 as fills_before,
        lag(filled_s) over vehicle as previous_fill_s,
        lag(odometer_km) over vehicle as previous_fill_odometer_km,
        case when is_counted then lag(usable_litres) over vehicle end as previous_fill_litres,
        case when has_good_reading then odometer_km end
        - lag(case when has_good_reading then odometer_km end) over vehicle as km_since_previous_fill,
        lag(has_time) over vehicle as previous_fill_has_time,
        coalesce(fuel_type <> lag(fuel_type) over vehicle, false)::int as changes_fuel
    from believed_litres
    window vehicle as (
        partition by plate, is_counted
        {{ order_of_fills() }} rows unbounded preceding
    )

),

fuels_around as (

    -- A vehicle that takes two fuels in turn changes often. One fill of another is two changes, and may be
    -- mistyped.
    select
        numbered_intervals.*,
        is_counted and (
            sum(changes_fuel) over around >= greatest(
                {{ economy_setting('mixed_fuels_min_changes') }},
                {{ economy_setting('mixed_fuels_min_share_of_changes') }} * count(*) over around
            )
            or least(
                count(*) filter (where fuel_type = 'electric') over around,
                count(*) filter (where fuel_type <> 'electric') over around
            ) >= {{ economy_setting('mixed_fuels_min_electric_fills') }}
        ) as takes_two_fuels
    from numbered_intervals
    window
        around as (
            partition by plate, is_counted
            {{ order_of_fills() }}
            rows between {{ economy_setting('baseline_fills') }} preceding
            and {{ economy_setting('baseline_fills') }} following
        )

),

interval_sums as (

    -- The fill before the first one of an interval ended the interval before.
    select
        fuels_around.*,
        sum(usable_litres) over whole_interval as litres_of_interval,
        case
            when not bool_or(amount_kes is null) over whole_interval then sum(amount_kes) over whole_interval
        end as amount_of_interval_kes,
        bool_or(fuel_type = 'electric') over whole_interval
        and bool_or(fuel_type <> 'electric') over whole_interval as adds_litres_to_kwh,
        bool_or(usable_litres is null) over whole_interval as misses_litres,
        bool_or(has_implausible_litres) over whole_interval as holds_implausible_litres,
        first_value(previous_fill_odometer_km) over whole_interval as previous_odometer_km,
        first_value(previous_fill_s) over whole_interval as previous_end_s
    from fuels_around
    window whole_interval as (
        partition by plate, is_counted, interval_number
        {{ order_of_fills() }}
        rows between unbounded preceding and unbounded following
    )

)

select
    {{ fill_columns() }},
    is_counted,
    ends_interval,
    fills_before,
    previous_fill_s,
    previous_fill_has_time,
    previous_fill_litres,
    km_since_previous_fill,
    takes_two_fuels,
    usable_litres,
    has_implausible_litres,
    litres_of_interval,
    amount_of_interval_kes,
    previous_odometer_km,
    previous_end_s,
    case when has_reading then odometer_km - previous_odometer_km end as distance_km,
    case
        when unusable_reason is not null then unusable_reason
        when corrected_field is not null then 'corrected'
        when duplicate_of_id is not null then 'duplicate'
        when not has_reading then 'odometer_missing'
        when previous_odometer_km is null then 'first_fill'
        when odometer_km < previous_odometer_km then 'odometer_rollback'
        -- The first reading of a replaced odometer is good and yet too far off, topped up or not.
        when
            not has_good_reading
            or not {{ readings_agree(
                'previous_odometer_km::double precision', 'previous_end_s', 'reading_km', 'filled_s'
            ) }}
            then 'distance_implausible'
        when takes_two_fuels then 'mixed_fuels'
        when odometer_km = previous_odometer_km then 'odometer_repeated'
        when is_topped_up then 'topup_merged'
        when adds_litres_to_kwh then 'mixed_fuels'
        when misses_litres then 'litres_missing'
        when holds_implausible_litres then 'litres_implausible'
    end as reason_so_far
from interval_sums
order by plate, is_counted
