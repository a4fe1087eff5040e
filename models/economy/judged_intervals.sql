with compared_with_next as (

    -- Far more km than the litres explain: fills in between were not reported, or the reading is too high, or
    -- the tank was not filled up. Unless it is the first, the next interval makes up for it.
    select
        vehicle_baselines.*,
        coalesce(
            km_per_litre_samples >= {{ economy_setting('missed_fill_min_intervals') }}
            and candidate_distance_km
            >= {{ economy_setting('missed_fill_min_times_usual_distance') }} * usual_distance_km
            and candidate_distance_km / candidate_litres
            >= {{ economy_setting('missed_fill_min_times_usual_km_per_litre') }} * usual_km_per_litre,
            false
        ) as is_too_far,
        coalesce(candidate_distance_km > {{ economy_setting('max_km_per_litre') }} * candidate_litres, false)
        as is_too_good,
        coalesce(
            (candidate_distance_km + lead(candidate_distance_km) over ends_of_intervals)
            / (candidate_litres + lead(candidate_litres) over ends_of_intervals)
            <= {{ economy_setting('missed_fill_max_times_usual_km_per_litre_with_next') }}
            * usual_km_per_litre
            and coalesce(fuel_type = lead(fuel_type) over ends_of_intervals, true),
            false
        ) as is_usual_with_next
    from {{ ref('vehicle_baselines') }} as vehicle_baselines
    window ends_of_intervals as (
        partition by plate, is_counted, ends_interval
        {{ order_by_blocks() }}
    )

),

merged_intervals as (

    select
        compared_with_next.*,
        coalesce(
            (is_too_far or is_too_good) and is_usual_with_next
            and not lead(is_too_far or is_too_good) over ends_of_intervals,
            false
        ) as is_merged,
        coalesce(
            not (is_too_far or is_too_good)
            and lag((is_too_far or is_too_good) and is_usual_with_next) over ends_of_intervals,
            false
        ) as makes_up,
        lag(litres_of_interval) over ends_of_intervals as merged_litres,
        lag(amount_of_interval_kes) over ends_of_intervals as merged_amount_kes,
        lag(previous_odometer_km) over ends_of_intervals as merged_odometer_km,
        lag(previous_end_s) over ends_of_intervals as merged_end_s
    from compared_with_next
    window ends_of_intervals as (
        partition by plate, is_counted, ends_interval
        {{ order_by_blocks() }}
    )

)

select
    {{ fill_columns() }},
    is_counted,
    ends_interval and not is_merged as ends_interval,
    block,
    previous_fill_s,
    previous_fill_has_time,
    previous_fill_litres,
    km_since_previous_fill,
    has_implausible_litres,
    usual_distance_km,
    usual_max_litres,
    fills_up,
    litres_samples,
    usual_km_per_litre,
    km_per_litre_mad,
    km_per_litre_samples,
    usual_fuel_type,
    usual_fuel_type_share,
    fuel_type_samples,
    case when makes_up then merged_odometer_km else previous_odometer_km end as previous_odometer_km,
    case when makes_up then merged_end_s else previous_end_s end as previous_end_s,
    case when makes_up then odometer_km - merged_odometer_km else distance_km end as distance_km,
    case when makes_up then merged_litres + litres_of_interval else litres_of_interval end
    as litres_of_interval,
    case when makes_up then merged_amount_kes + amount_of_interval_kes else amount_of_interval_kes end
    as amount_of_interval_kes,
    case
        when reason_so_far is not null then reason_so_far
        when is_merged then 'topup_merged'
        when is_too_far then 'missed_fill_suspected'
        when is_too_good then 'economy_implausible'
    end as exclusion_reason
from merged_intervals
order by plate, is_counted, block
