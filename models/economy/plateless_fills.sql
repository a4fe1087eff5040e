{#- Figures that come from the history of a vehicle are null. -#}

-- The columns of fill_intervals, in its order.
select
    id,
    plate,
    filled_at,
    date_trunc('week', filled_at at time zone 'Africa/Nairobi')::date as filled_week,
    date_trunc('month', filled_at at time zone 'Africa/Nairobi')::date as filled_month,
    department_raw,
    fuel_type_raw,
    fuel_type,
    litres,
    amount_kes,
    price_per_litre_kes,
    odometer_km,
    null::text as duplicate_of_id,
    null::numeric as previous_odometer_km,
    null::numeric as distance_km,
    null::numeric as days_since_previous,
    null::numeric as interval_litres,
    null::numeric as interval_amount_kes,
    null::numeric as km_per_litre,
    null::numeric as litres_per_100km,
    null::numeric as kes_per_km,
    null::numeric as rolling_km_per_litre,
    null::int as rolling_intervals,
    false as is_valid,
    case
        when deleted_at is not null or absent_since is not null then 'not_live'
        when fuel_type = 'not_fuel' then 'not_fuel'
        else 'plate_missing'
    end as exclusion_reason,
    null::numeric as hours_since_previous_fill,
    null::numeric as previous_fill_litres,
    null::numeric as km_since_previous_fill,
    null::numeric as usual_distance_km,
    null::numeric as usual_max_litres,
    0 as litres_samples,
    null::numeric as usual_km_per_litre,
    null::numeric as last_two_km_per_litre,
    null::numeric as unexplained_litres,
    null::numeric as km_per_litre_mad,
    0 as km_per_litre_samples,
    null::boolean as fills_up,
    null::text as usual_fuel_type,
    null::numeric as usual_fuel_type_share,
    0 as fuel_type_samples,
    case when deleted_at is null and absent_since is null then 1 end as month_fills,
    case when deleted_at is null and absent_since is null then litres end as month_litres,
    case when deleted_at is null and absent_since is null then amount_kes end as month_amount_kes,
    case
        when deleted_at is null and absent_since is null and litres > 0 and amount_kes > 0 then litres
    end as month_priced_litres,
    case
        when deleted_at is null and absent_since is null and litres > 0 and amount_kes > 0 then amount_kes
    end as month_priced_amount_kes,
    null::numeric as month_km,
    null::numeric as month_km_litres,
    load_id,
    null::text as corrected_field,
    null::numeric as corrected_to,
    null::numeric as lost_kes
from {{ ref('records') }}
where plate is null
