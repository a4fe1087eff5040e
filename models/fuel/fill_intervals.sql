{{
    config(
        materialized='incremental',
        incremental_strategy='upsert',
        unique_key='id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        indexes=[
            {'columns': ['plate', 'filled_at']},
            {'columns': ['filled_at']},
            {'columns': ['load_id']},
            {'columns': ['derivation']},
            {'columns': ['fuel_type_raw', 'fuel_type']},
            {'columns': ['fuel_type', 'filled_week', 'price_per_litre_kes']},
        ],
    )
}}
-- depends_on: {{ function('canon_fuel_type') }}
{%- set economy = var('economy') %}
{%- set fingerprint = local_md5(model.raw_code ~ tojson(economy)) %}
{%- set current_derivation = "(select md5('" ~ fingerprint ~ "' || derivation) from " ~ ref('records') ~ " limit 1)" %}
{%- set order_of_fills = 'order by filled_at, odometer_km, id' %}

{% if is_incremental() -%}
with recursive spellings as (

    -- Skip scan: one index probe per distinct spelling, however many fills use it.
    (select fuel_type_raw from {{ this }} where fuel_type_raw is not null order by fuel_type_raw limit 1)
    union all
    select (
        select later.fuel_type_raw
        from {{ this }} as later
        where later.fuel_type_raw > spellings.fuel_type_raw
        order by later.fuel_type_raw
        limit 1
    )
    from spellings
    where spellings.fuel_type_raw is not null

),

stale_spellings as (

    -- All fills of a spelling have the right value exactly if the lowest and the highest have.
    select spellings.fuel_type_raw
    from spellings
    cross join lateral (
        (
            select fuel_type from {{ this }} as stored
            where stored.fuel_type_raw = spellings.fuel_type_raw
            order by stored.fuel_type asc limit 1
        )
        union all
        (
            select fuel_type from {{ this }} as stored
            where stored.fuel_type_raw = spellings.fuel_type_raw
            order by stored.fuel_type desc limit 1
        )
    ) as extremes
    where extremes.fuel_type is distinct from {{ function('canon_fuel_type') }}(spellings.fuel_type_raw)

),

changed_ids as (

    select id from {{ ref('records') }}
    where load_id > (select coalesce(max(load_id), -1) from {{ this }})
    union
    select id from {{ this }} where derivation < {{ current_derivation }}
    union
    select id from {{ this }} where derivation > {{ current_derivation }}
    union
    select id from {{ this }} where fuel_type_raw in (select fuel_type_raw from stale_spellings)

),

changed_plates as (

    -- A fill that moved from one vehicle to another changes both.
    select stored.plate from changed_ids inner join {{ this }} as stored on changed_ids.id = stored.id
    where stored.plate is not null
    union
    select records.plate from changed_ids inner join {{ ref('records') }} as records on changed_ids.id = records.id
    where records.plate is not null

),

records as (

    select fills.*
    from changed_plates
    -- `offset 0` keeps this a probe of the plate index per vehicle, never a scan of history.
    cross join lateral (
        select * from {{ ref('records') }} as of_plate where of_plate.plate = changed_plates.plate offset 0
    ) as fills
    union all
    select plateless.*
    from changed_ids
    inner join {{ ref('records') }} as plateless on changed_ids.id = plateless.id
    where plateless.plate is null

),
{%- else -%}
with records as (

    select * from {{ ref('records') }}

),
{%- endif %}

fills as (

    select
        id,
        plate,
        filled_at,
        date_trunc('week', filled_at at time zone 'Africa/Nairobi')::date as filled_week,
        fuel_type_raw,
        fuel_type,
        litres,
        amount_kes,
        price_per_litre_kes,
        odometer_km,
        load_id,
        md5('{{ fingerprint }}' || derivation) as derivation,
        case
            when deleted_at is not null or absent_since is not null then 'not_live'
            when plate is null then 'plate_missing'
            when filled_at is null then 'time_missing'
        end as unusable_reason
    from records

),

compared_with_same_fill as (

    -- The previous fill of the vehicle with the same litres and amount.
    select
        fills.*,
        lag(id) over same_fill as same_id,
        filled_at - lag(filled_at) over same_fill as time_since_same,
        odometer_km - lag(odometer_km) over same_fill as km_since_same
    from fills
    where unusable_reason is null
    window same_fill as (partition by plate, litres, amount_kes {{ order_of_fills }})

),

marked_duplicates as (

    select
        compared_with_same_fill.*,
        case when
            coalesce(litres, amount_kes) is not null
            and case
                when km_since_same = 0 then time_since_same <= interval '{{ economy.duplicate_max_hours }} hours'
                when km_since_same is null
                    then time_since_same <= interval '{{ economy.duplicate_max_hours_without_odometer }} hours'
            end
            then same_id
        end as duplicate_of_id
    from compared_with_same_fill

),

counted_fills as (

    select
        marked_duplicates.*,
        case when litres > 0 then litres end as usable_litres,
        litres > {{ economy.max_litres_per_fill }}
        or price_per_litre_kes < {{ economy.min_price_kes_per_litre }} as has_implausible_litres
    from marked_duplicates
    where duplicate_of_id is null

),

neighbours as (

    select
        id,
        plate,
        filled_at,
        odometer_km,
        {%- for n in range(1, 4) %}
        lag(odometer_km, {{ n }}) over vehicle as km_before_{{ n }},
        lag(filled_at, {{ n }}) over vehicle as at_before_{{ n }},
        lead(odometer_km, {{ n }}) over vehicle as km_after_{{ n }},
        lead(filled_at, {{ n }}) over vehicle as at_after_{{ n }}{{ ',' if not loop.last }}
        {%- endfor %}
    from counted_fills
    where odometer_km > 0
    window vehicle as (partition by plate {{ order_of_fills }})

),

supported_readings as (

    -- How many of the three readings before and the three after agree, minus how many disagree.
    select
        id,
        plate,
        filled_at,
        odometer_km,
        {{ readings_agree('km_before_1', 'at_before_1', 'odometer_km', 'filled_at') }} as agrees_with_previous,
        {{ readings_agree('odometer_km', 'filled_at', 'km_after_1', 'at_after_1') }} as agrees_with_next,
        {{ readings_agree('km_before_1', 'at_before_1', 'km_after_1', 'at_after_1') }} as neighbours_agree,
        {%- for n in range(1, 4) %}
        case
            {{ readings_agree('km_before_' ~ n, 'at_before_' ~ n, 'odometer_km', 'filled_at') }}
            when true then 1 when false then -1 else 0
        end
        + case
            {{ readings_agree('odometer_km', 'filled_at', 'km_after_' ~ n, 'at_after_' ~ n) }}
            when true then 1 when false then -1 else 0
        end{{ ' +' if not loop.last }}
        {%- endfor %} as support
    from neighbours

),

compared_support as (

    select
        supported_readings.*,
        lag(support) over vehicle as previous_support,
        lead(support) over vehicle as next_support
    from supported_readings
    window vehicle as (partition by plate {{ order_of_fills }})

),

good_readings as (

    -- Of two neighbours that disagree the one with less support is wrong; with equal support the later one,
    -- unless the reading after it disagrees with the earlier one too: then the odometer itself was replaced.
    select
        id,
        plate,
        filled_at,
        odometer_km
    from compared_support
    where
        support > -2
        and not coalesce(not agrees_with_next and support < next_support, false)
        and not coalesce(
            not agrees_with_previous
            and (support < previous_support or (support = previous_support and neighbours_agree is not false)),
            false
        )

),

chained_readings as (

    select
        good_readings.*,
        odometer_km - lag(odometer_km) over vehicle as km_from_previous,
        filled_at - lag(filled_at) over vehicle as time_from_previous,
        lead(odometer_km) over vehicle - odometer_km as km_to_next,
        lead(filled_at) over vehicle - filled_at as time_to_next
    from good_readings
    window vehicle as (partition by plate {{ order_of_fills }})

),

usual_distances as (

    select
        plate,
        percentile_cont(0.5) within group (order by km_from_previous::double precision) as usual_distance_km
    from chained_readings
    where km_from_previous > 0
    group by plate

),

judged_readings as (

    select
        chained_readings.id,
        coalesce(
            chained_readings.time_to_next <= interval '{{ economy.topup_max_hours }} hours'
            and chained_readings.km_to_next between 0 and least(
                {{ economy.topup_max_km }},
                {{ economy.topup_max_share_of_usual_distance }} * usual_distances.usual_distance_km
            ),
            false
        ) as is_topped_up,
        coalesce(
            chained_readings.km_from_previous = 0
            and chained_readings.time_from_previous > interval '{{ economy.topup_max_hours }} hours',
            false
        ) as is_repeated
    from chained_readings
    left join usual_distances on chained_readings.plate = usual_distances.plate

),

fills_with_readings as (

    -- An interval ends at a good reading that is neither topped up nor a repetition; the litres of all fills
    -- since the last such reading were burnt on the way to it.
    select
        counted_fills.*,
        judged_readings.id is not null as has_good_reading,
        coalesce(judged_readings.is_topped_up, false) as is_topped_up,
        coalesce(judged_readings.is_repeated, false) as is_repeated,
        coalesce(not (judged_readings.is_topped_up or judged_readings.is_repeated), false) as ends_interval
    from counted_fills
    left join judged_readings on counted_fills.id = judged_readings.id

),

numbered_intervals as (

    select
        fills_with_readings.*,
        count(*) filter (where ends_interval) over vehicle as intervals_ended,
        count(*) filter (where ends_interval) over vehicle - ends_interval::int as interval_number,
        lag(filled_at) over vehicle as previous_fill_at,
        lag(usable_litres) over vehicle as previous_fill_litres,
        case when has_good_reading then odometer_km end
        - lag(case when has_good_reading then odometer_km end) over vehicle as km_since_previous_fill
    from fills_with_readings
    window vehicle as (partition by plate {{ order_of_fills }} rows unbounded preceding)

),

interval_sums as (

    select
        numbered_intervals.*,
        sum(usable_litres) over whole_interval as litres_of_interval,
        sum(amount_kes) over whole_interval as amount_of_interval_kes,
        bool_or(usable_litres is null) over whole_interval as misses_litres,
        coalesce(bool_or(has_implausible_litres) over whole_interval, false) as holds_implausible_litres,
        bool_or(amount_kes is null) over whole_interval as misses_amount,
        first_value(case when ends_interval then odometer_km end) over since_last_end as last_odometer_km,
        first_value(case when ends_interval then filled_at end) over since_last_end as last_end_at
    from numbered_intervals
    window
        whole_interval as (partition by plate, interval_number),
        since_last_end as (partition by plate, intervals_ended {{ order_of_fills }})

),

measured_from_last_end as (

    select
        interval_sums.*,
        lag(last_odometer_km) over vehicle as previous_odometer_km,
        lag(last_end_at) over vehicle as previous_end_at
    from interval_sums
    window vehicle as (partition by plate {{ order_of_fills }})

),

measured_intervals as (

    select
        measured_from_last_end.*,
        case when odometer_km > 0 then odometer_km - previous_odometer_km end as distance_km,
        case
            when odometer_km is null or odometer_km <= 0 then 'odometer_missing'
            when previous_odometer_km is null then 'first_fill'
            when
                (ends_interval or not has_good_reading) and odometer_km < previous_odometer_km
                then 'odometer_rollback'
            when not has_good_reading then 'distance_implausible'
            when is_topped_up then 'topup_merged'
            when is_repeated or odometer_km = previous_odometer_km then 'odometer_repeated'
            when
                not {{ readings_agree('previous_odometer_km', 'previous_end_at', 'odometer_km', 'filled_at') }}
                then 'distance_implausible'
            when misses_litres then 'litres_missing'
            when holds_implausible_litres then 'litres_implausible'
        end as reason_so_far
    from measured_from_last_end

),

with_economy as (

    select
        measured_intervals.*,
        case when reason_so_far is null then distance_km::double precision end as candidate_distance_km,
        case when reason_so_far is null then distance_km::double precision / litres_of_interval::double precision end
            as candidate_km_per_litre
    from measured_intervals

),

with_previous_fills as (

    -- What the vehicle's fills before this one were like: the samples of every baseline.
    select
        with_economy.*,
        array_agg(usable_litres::double precision)
            filter (where usable_litres is not null and has_implausible_litres is not true)
            over previous_fills as previous_litres,
        array_agg(candidate_distance_km) filter (where candidate_distance_km is not null) over previous_fills
            as previous_distances_km,
        array_agg(candidate_km_per_litre) filter (where candidate_km_per_litre is not null) over previous_fills
            as previous_km_per_litre,
        array_agg(fuel_type) filter (where fuel_type is not null) over previous_fills as previous_fuel_types
    from with_economy
    window previous_fills as (
        partition by plate {{ order_of_fills }}
        rows between {{ economy.baseline_fills }} preceding and 1 preceding
    )

),

with_baselines as (

    select
        with_previous_fills.*,
        coalesce(cardinality(previous_litres), 0) as litres_samples,
        coalesce(cardinality(previous_km_per_litre), 0) as km_per_litre_samples,
        coalesce(cardinality(previous_fuel_types), 0) as fuel_type_samples,
        (select value from unnest(previous_litres) as value order by value desc offset 1 limit 1)
            as usual_max_litres,
        (select percentile_cont(0.5) within group (order by value) from unnest(previous_distances_km) as value)
            as usual_distance_km,
        economy.usual_km_per_litre,
        (
            select percentile_cont(0.5) within group (order by abs(value - economy.usual_km_per_litre))
            from unnest(previous_km_per_litre) as value
        ) as km_per_litre_mad,
        (select mode() within group (order by value) from unnest(previous_fuel_types) as value) as usual_fuel_type
    from with_previous_fills
    cross join lateral (
        select percentile_cont(0.5) within group (order by value) as usual_km_per_litre
        from unnest(previous_km_per_litre) as value
    ) as economy

),

judged_intervals as (

    select
        with_baselines.*,
        case
            when reason_so_far is not null then reason_so_far
            when
                km_per_litre_samples >= {{ economy.missed_fill_min_intervals }}
                and candidate_distance_km
                >= {{ economy.missed_fill_min_times_usual_distance }} * usual_distance_km
                and candidate_km_per_litre
                >= {{ economy.missed_fill_min_times_usual_km_per_litre }} * usual_km_per_litre
                then 'missed_fill_suspected'
        end as exclusion_reason
    from with_baselines

),

rolled_up as (

    select
        judged_intervals.*,
        exclusion_reason is null as is_valid,
        count(*) filter (where exclusion_reason is null) over vehicle as valid_so_far,
        sum(distance_km) over last_{{ economy.rolling_intervals }} / nullif(sum(litres_of_interval) over last_{{ economy.rolling_intervals }}, 0) as sum_km_per_litre,
        count(*) over last_{{ economy.rolling_intervals }} as summed_intervals,
        -- What was bought beyond what the distance can have burnt, counted from each of the last intervals on; the
        -- least of them, because a partial fill some intervals back leaves room in the tank.
        least(
            {%- for n in range(economy.rolling_intervals) %}
            sum(litres_of_interval - distance_km / usual_km_per_litre::numeric) over last_{{ n + 1 }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        ) as unexplained_litres
    from judged_intervals
    window
        vehicle as (partition by plate {{ order_of_fills }} rows unbounded preceding),
        {%- for n in range(economy.rolling_intervals) %}
        last_{{ n + 1 }} as (
            partition by plate, exclusion_reason is null {{ order_of_fills }}
            rows between {{ n }} preceding and current row
        ){{ ',' if not loop.last }}
        {%- endfor %}

),

with_rolling as (

    -- A fill without an economy of its own shows the rolling figure as it stands.
    select
        rolled_up.*,
        first_value(case when is_valid then sum_km_per_litre end) over since_last_valid as rolling_km_per_litre,
        first_value(case when is_valid then summed_intervals end) over since_last_valid as rolling_intervals
    from rolled_up
    window since_last_valid as (partition by plate, valid_so_far {{ order_of_fills }})

),

final as (

    select
        fills.id,
        fills.plate,
        fills.filled_at,
        fills.filled_week,
        fills.fuel_type_raw,
        fills.fuel_type,
        fills.litres,
        fills.amount_kes,
        fills.price_per_litre_kes,
        fills.odometer_km,
        marked_duplicates.duplicate_of_id,
        figures.previous_odometer_km,
        figures.distance_km,
        round(extract(epoch from figures.filled_at - figures.previous_end_at) / 86400, 3) as days_since_previous,
        case when figures.is_valid then figures.litres_of_interval end as interval_litres,
        case when figures.is_valid and not figures.misses_amount then figures.amount_of_interval_kes end
            as interval_amount_kes,
        case when figures.is_valid then round(figures.distance_km / figures.litres_of_interval, 3) end as km_per_litre,
        case when figures.is_valid then round(figures.litres_of_interval * 100 / figures.distance_km, 3) end
            as litres_per_100km,
        case
            when figures.is_valid and not figures.misses_amount
                then round(figures.amount_of_interval_kes / figures.distance_km, 3)
        end as kes_per_km,
        round(figures.rolling_km_per_litre, 3) as rolling_km_per_litre,
        figures.rolling_intervals::int as rolling_intervals,
        coalesce(figures.is_valid, false) as is_valid,
        coalesce(
            fills.unusable_reason,
            case when marked_duplicates.duplicate_of_id is not null then 'duplicate' end,
            figures.exclusion_reason
        ) as exclusion_reason,
        round(extract(epoch from figures.filled_at - figures.previous_fill_at) / 3600, 3) as hours_since_previous_fill,
        figures.previous_fill_litres,
        figures.km_since_previous_fill,
        round(figures.usual_distance_km::numeric, 1) as usual_distance_km,
        round(figures.usual_max_litres::numeric, 3) as usual_max_litres,
        figures.litres_samples,
        round(figures.usual_km_per_litre::numeric, 3) as usual_km_per_litre,
        case when figures.is_valid then round(figures.unexplained_litres, 3) end as unexplained_litres,
        round(figures.km_per_litre_mad::numeric, 3) as km_per_litre_mad,
        figures.km_per_litre_samples,
        figures.usual_fuel_type,
        round(
            cardinality(array_positions(figures.previous_fuel_types, figures.usual_fuel_type))::numeric
            / nullif(figures.fuel_type_samples, 0), 3
        ) as usual_fuel_type_share,
        figures.fuel_type_samples,
        fills.load_id,
        fills.derivation
    from fills
    left join marked_duplicates on fills.id = marked_duplicates.id
    left join with_rolling as figures on fills.id = figures.id

)

select * from final
