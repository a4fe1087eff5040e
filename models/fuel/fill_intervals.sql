{{
    config(
        materialized='incremental',
        incremental_strategy='upsert',
        unique_key='id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        pre_hook='{{ delete_what_went_back(ref("records")) }}',
        post_hook='{{ analyze_if_much_changed() }}',
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

{%- set economy = var('economy') %}
{%- set fingerprint = fill_intervals_fingerprint() %}
{%- set canonical = {'fuel_type_raw': ('fuel_type', function('canon_fuel_type'))} %}
{#- Which rows are stale is asked first, so that the planner sees plain values and uses its indexes. #}
{%- set stale = staleness(this, ref('records'), fingerprint, canonical) if is_incremental() else {} %}
{%- set stale_spellings = stale_spellings_condition(stale.get('spellings', {})) %}
{%- set order_of_fills = 'order by filled_at, odometer_km, id' %}
{#- Everything below `fills` is one stream of windows, without a join: joins of computed rows have no
    statistics, and a nested loop over a million of them never ends. `offset 0` keeps PostgreSQL from copying
    a step's expressions into every place that uses them. #}

{% if stale.get('max_load_id') and not stale.all_rows -%}
with changed_ids as (

    select id from {{ ref('records') }} where load_id > {{ stale.max_load_id }}
    {%- if stale_spellings %}
    union
    select id from {{ this }} where {{ stale_spellings }}
    {%- endif %}

),

changed_plates as (

    -- A fill that moved from one vehicle to another changes both.
    select stored.plate from changed_ids inner join {{ this }} as stored on changed_ids.id = stored.id
    where stored.plate is not null
    union
    select latest.plate
    from changed_ids
    inner join {{ ref('records') }} as latest on changed_ids.id = latest.id
    where latest.plate is not null

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
        '{{ fingerprint }}'::text as derivation,
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
    window same_fill as (partition by plate, unusable_reason is null, litres, amount_kes {{ order_of_fills }})

),

marked_duplicates as (

    select
        compared_with_same_fill.*,
        case when
            unusable_reason is null
            and coalesce(litres, amount_kes) is not null
            and case
                when km_since_same = 0
                    then time_since_same <= interval '{{ economy.duplicate_max_hours }} hours'
                when km_since_same is null
                    then time_since_same
                        <= interval '{{ economy.duplicate_max_hours_without_odometer }} hours'
            end
            then same_id
        end as duplicate_of_id
    from compared_with_same_fill

),

counted_fills as (

    select
        marked_duplicates.*,
        unusable_reason is null and duplicate_of_id is null as is_counted,
        case when litres > 0 then litres end as usable_litres,
        coalesce(
            litres > {{ economy.max_litres_per_fill }}
            or price_per_litre_kes < {{ economy.min_price_kes_per_litre }},
            false
        ) as has_implausible_litres,
        unusable_reason is null and duplicate_of_id is null and coalesce(odometer_km > 0, false)
            as has_reading
    from marked_duplicates

),

neighbours as (

    select
        counted_fills.*,
        {%- for n in range(1, 4) %}
        lag(odometer_km, {{ n }}) over readings as km_before_{{ n }},
        lag(filled_at, {{ n }}) over readings as at_before_{{ n }},
        lead(odometer_km, {{ n }}) over readings as km_after_{{ n }},
        lead(filled_at, {{ n }}) over readings as at_after_{{ n }}{{ ',' if not loop.last }}
        {%- endfor %}
    from counted_fills
    window readings as (partition by plate, has_reading {{ order_of_fills }})

),

supported_readings as (

    -- How many of the three readings before and the three after agree, minus how many disagree.
    select
        neighbours.*,
        {{ readings_agree('km_before_1', 'at_before_1', 'odometer_km', 'filled_at') }}
            as agrees_with_previous,
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
    offset 0

),

compared_support as (

    select
        supported_readings.*,
        lag(support) over readings as previous_support,
        lead(support) over readings as next_support
    from supported_readings
    window readings as (partition by plate, has_reading {{ order_of_fills }})

),

judged_readings as (

    -- Of two neighbours that disagree the one with less support is wrong; with equal support the later one,
    -- unless the reading after it disagrees with the earlier one too: then the odometer itself was replaced.
    select
        compared_support.*,
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
    offset 0

),

chained_readings as (

    select
        judged_readings.*,
        case when has_good_reading then odometer_km - lag(odometer_km) over good_readings end
            as km_from_previous,
        case when has_good_reading then filled_at - lag(filled_at) over good_readings end
            as time_from_previous,
        case when has_good_reading then lead(odometer_km) over good_readings - odometer_km end as km_to_next,
        case when has_good_reading then lead(filled_at) over good_readings - filled_at end as time_to_next
    from judged_readings
    window good_readings as (partition by plate, has_good_reading {{ order_of_fills }})

),

ranked_distances as (

    select
        chained_readings.*,
        row_number() over (partition by plate, km_from_previous > 0 order by km_from_previous, id)
            as distance_rank,
        count(*) over (partition by plate, km_from_previous > 0) as distances
    from chained_readings

),

usual_distances as (

    select
        ranked_distances.*,
        max(km_from_previous) filter (where km_from_previous > 0 and distance_rank = (distances + 1) / 2)
            over (partition by plate) as median_distance_km
    from ranked_distances

),

grouped_readings as (

    select
        usual_distances.*,
        coalesce(
            time_to_next <= interval '{{ economy.topup_max_hours }} hours'
            and km_to_next between 0 and least(
                {{ economy.topup_max_km }},
                {{ economy.topup_max_share_of_usual_distance }} * median_distance_km
            ),
            false
        ) as is_topped_up,
        coalesce(
            km_from_previous = 0
            and time_from_previous > interval '{{ economy.topup_max_hours }} hours',
            false
        ) as is_repeated
    from usual_distances

),

fills_with_readings as (

    -- An interval ends at a good reading that is neither topped up nor a repetition; the litres of all fills
    -- since the last such reading were burnt on the way to it.
    select
        grouped_readings.*,
        has_good_reading and not is_topped_up and not is_repeated as ends_interval
    from grouped_readings
    offset 0

),

numbered_intervals as (

    select
        fills_with_readings.*,
        count(*) filter (where ends_interval) over vehicle as intervals_ended,
        count(*) filter (where ends_interval) over vehicle - ends_interval::int as interval_number,
        case when is_counted then lag(filled_at) over vehicle end as previous_fill_at,
        case when is_counted then lag(usable_litres) over vehicle end as previous_fill_litres,
        case when has_good_reading then odometer_km end
        - lag(case when has_good_reading then odometer_km end) over vehicle as km_since_previous_fill
    from fills_with_readings
    window vehicle as (partition by plate, is_counted {{ order_of_fills }} rows unbounded preceding)

),

interval_sums as (

    select
        numbered_intervals.*,
        sum(usable_litres) over whole_interval as litres_of_interval,
        sum(amount_kes) over whole_interval as amount_of_interval_kes,
        bool_or(usable_litres is null) over whole_interval as misses_litres,
        bool_or(has_implausible_litres) over whole_interval as holds_implausible_litres,
        bool_or(amount_kes is null) over whole_interval as misses_amount,
        first_value(case when ends_interval then odometer_km end) over since_last_end as last_odometer_km,
        first_value(case when ends_interval then filled_at end) over since_last_end as last_end_at
    from numbered_intervals
    window
        whole_interval as (partition by plate, is_counted, interval_number),
        since_last_end as (partition by plate, is_counted, intervals_ended {{ order_of_fills }})

),

measured_from_last_end as (

    select
        interval_sums.*,
        lag(last_odometer_km) over vehicle as previous_odometer_km,
        lag(last_end_at) over vehicle as previous_end_at
    from interval_sums
    window vehicle as (partition by plate, is_counted {{ order_of_fills }})

),

measured_intervals as (

    select
        measured_from_last_end.*,
        case when has_reading then odometer_km - previous_odometer_km end as distance_km,
        case
            when unusable_reason is not null then unusable_reason
            when duplicate_of_id is not null then 'duplicate'
            when not has_reading then 'odometer_missing'
            when previous_odometer_km is null then 'first_fill'
            when
                (ends_interval or not has_good_reading) and odometer_km < previous_odometer_km
                then 'odometer_rollback'
            when not has_good_reading then 'distance_implausible'
            when is_topped_up then 'topup_merged'
            when is_repeated or odometer_km = previous_odometer_km then 'odometer_repeated'
            when
                not
                {{ readings_agree('previous_odometer_km', 'previous_end_at', 'odometer_km', 'filled_at') }}
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
        case
            when reason_so_far is null
                then distance_km::double precision / litres_of_interval::double precision
        end as candidate_km_per_litre
    from measured_intervals
    offset 0

),

with_previous_fills as (

    -- What the vehicle's fills before this one were like: the samples of every baseline.
    select
        with_economy.*,
        array_agg(usable_litres::double precision)
            filter (where is_counted and usable_litres is not null and not has_implausible_litres)
            over previous_fills as previous_litres,
        array_agg(candidate_distance_km) filter (where candidate_distance_km is not null) over previous_fills
            as previous_distances_km,
        array_agg(candidate_km_per_litre)
            filter (where candidate_km_per_litre is not null)
            over previous_fills as previous_km_per_litre,
        array_agg(fuel_type)
            filter (where is_counted and fuel_type is not null)
            over previous_fills as previous_fuel_types
    from with_economy
    window previous_fills as (
        partition by plate, is_counted {{ order_of_fills }}
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
        (
            select percentile_cont(0.5) within group (order by value)
            from unnest(previous_distances_km) as value
        ) as usual_distance_km,
        economy.usual_km_per_litre,
        (
            select percentile_cont(0.5) within group (order by abs(value - economy.usual_km_per_litre))
            from unnest(previous_km_per_litre) as value
        ) as km_per_litre_mad,
        (select mode() within group (order by value) from unnest(previous_fuel_types) as value)
            as usual_fuel_type
    from with_previous_fills
    cross join lateral (
        select percentile_cont(0.5) within group (order by value) as usual_km_per_litre
        from unnest(previous_km_per_litre) as value
    ) as economy
    offset 0

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
    offset 0

),

rolled_up as (

    select
        judged_intervals.*,
        exclusion_reason is null as is_valid,
        count(*) filter (where exclusion_reason is null) over vehicle as valid_so_far,
        sum(distance_km) over last_{{ economy.rolling_intervals }}
        / nullif(sum(litres_of_interval) over last_{{ economy.rolling_intervals }}, 0) as sum_km_per_litre,
        count(*) over last_{{ economy.rolling_intervals }} as summed_intervals,
        -- What was bought beyond what the distance can have burnt, counted from each of the last intervals;
        -- the least of them, because a partial fill some intervals back leaves room in the tank. Nobody knows
        -- that room after an interval without litres.
        case when lag(exclusion_reason is null) over ends then least(
            {%- for n in range(economy.partial_fill_intervals) %}
            sum(litres_of_interval - distance_km / usual_km_per_litre::numeric) over last_{{ n + 1 }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        ) end as unexplained_litres
    from judged_intervals
    window
        vehicle as (partition by plate, is_counted {{ order_of_fills }} rows unbounded preceding),
        ends as (partition by plate, ends_interval {{ order_of_fills }}),
        {%- for n in range([economy.rolling_intervals, economy.partial_fill_intervals] | max) %}
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
        first_value(case when is_valid then sum_km_per_litre end) over since_last_valid
            as rolling_km_per_litre,
        first_value(case when is_valid then summed_intervals end) over since_last_valid as rolling_intervals
    from rolled_up
    window since_last_valid as (partition by plate, is_counted, valid_so_far {{ order_of_fills }})

),

final as (

    select
        id,
        plate,
        filled_at,
        filled_week,
        fuel_type_raw,
        fuel_type,
        litres,
        amount_kes,
        price_per_litre_kes,
        odometer_km,
        duplicate_of_id,
        previous_odometer_km,
        distance_km,
        round(extract(epoch from filled_at - previous_end_at) / 86400, 3) as days_since_previous,
        case when is_valid then litres_of_interval end as interval_litres,
        case when is_valid and not misses_amount then amount_of_interval_kes end
            as interval_amount_kes,
        case when is_valid then round(distance_km / litres_of_interval, 3) end as km_per_litre,
        case when is_valid then round(litres_of_interval * 100 / distance_km, 3) end
            as litres_per_100km,
        case
            when is_valid and not misses_amount
                then round(amount_of_interval_kes / distance_km, 3)
        end as kes_per_km,
        round(rolling_km_per_litre, 3) as rolling_km_per_litre,
        rolling_intervals::int as rolling_intervals,
        coalesce(is_valid, false) as is_valid,
        exclusion_reason,
        round(extract(epoch from filled_at - previous_fill_at) / 3600, 3) as hours_since_previous_fill,
        previous_fill_litres,
        km_since_previous_fill,
        round(usual_distance_km::numeric, 1) as usual_distance_km,
        round(usual_max_litres::numeric, 3) as usual_max_litres,
        litres_samples,
        round(usual_km_per_litre::numeric, 3) as usual_km_per_litre,
        case when is_valid then round(unexplained_litres, 3) end as unexplained_litres,
        round(km_per_litre_mad::numeric, 3) as km_per_litre_mad,
        km_per_litre_samples,
        usual_fuel_type,
        round(
            cardinality(array_positions(previous_fuel_types, usual_fuel_type))::numeric
            / nullif(fuel_type_samples, 0), 3
        ) as usual_fuel_type_share,
        fuel_type_samples,
        load_id,
        derivation
    from with_rolling

)

select * from final
