{{
    config(
        materialized='incremental',
        incremental_strategy='upsert',
        unique_key='id',
        full_refresh=false,
        on_schema_change='append_new_columns',
        pre_hook=['{{ one_build_at_a_time() }}', '{{ delete_what_went_back(ref("records")) }}'],
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
{%- do alias_list('fuel_type') %}
{#- Which rows are stale is asked first, so that the planner sees plain values and uses its indexes. #}
{%- set stale = staleness(this, ref('records'), fingerprint, ['fuel_type_raw']) if is_incremental() else {} %}
{%- set stale_spellings = stale_spellings_condition(stale.get('spellings', {})) %}
{#- What is summed up per vehicle and month. -#}
{%- set month_sums = {
    'litres': 'litres',
    'amount_kes': 'amount_kes',
    'priced_litres': 'case when litres > 0 and amount_kes > 0 then litres end',
    'priced_amount_kes': 'case when litres > 0 and amount_kes > 0 then amount_kes end',
    'km': 'case when is_valid then distance_km end',
    'km_litres': 'case when is_valid then litres_of_interval end',
} %}
{#- Fills at the same time stand in the same order whatever the database's locale. #}
{%- set fill_sort_key = 'filled_at, odometer_km, id collate "C"' %}
{%- set order_of_fills = 'order by ' ~ fill_sort_key %}
{#- The same order, for blocks follow one another in time; rows sorted by block need no new sort. -#}
{%- set order_by_blocks = 'order by block, ' ~ fill_sort_key %}
{#- A full tank stands no higher than the level after an interval and the most room there can be above it, and
    no lower than that level, nor than what the intervals before showed. From the oldest to the newest: #}
{%- set full_tank = namespace(level="'infinity'") %}
{%- for n in range(economy.tank_level_intervals, 0, -1) %}
    {%- set full_tank.level -%}
        least(
            lag(tank_level + most_room_litres, {{ n }}) over valid_intervals,
            greatest(lag(tank_level, {{ n }}) over valid_intervals, {{ full_tank.level }})
        )
    {%- endset %}
{%- endfor %}
{#- Everything below `fills` is one stream of windows, without a join: joins of computed rows have no
    statistics, and a nested loop over a million of them never ends. `order by` in a step keeps PostgreSQL
    from copying the step's expressions into every place that uses them, and tells the next window that the
    rows come sorted, at least by vehicle. Readings and times are compared as double precision numbers, which
    is much cheaper than numeric and interval arithmetic. #}
{#- What each step carries along; a narrow row is quicker to sort. -#}
{%- set carried %}id,
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
        reading_km,
        filled_s,
        unusable_reason,
        duplicate_of_id
{%- endset %}

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
    -- `limit all` keeps this a probe of the plate index per vehicle, never a scan of history.
    cross join lateral (
        select * from {{ ref('records') }} as of_plate where of_plate.plate = changed_plates.plate limit all
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
            when plate is null then 'plate_missing'
            when filled_at is null then 'time_missing'
        end as unusable_reason
    from records

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
            {{ order_of_fills }}
        ),
        same_reading as (
            partition by plate, unusable_reason is null, reading_km
            {{ order_of_fills }}
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

),

counted_fills as (

    select
        marked_duplicates.*,
        unusable_reason is null and duplicate_of_id is null as is_counted,
        unusable_reason is null and duplicate_of_id is null and reading_km is not null as has_reading
    from marked_duplicates
    order by plate

),

neighbours as (

    select
        {% for n in range(1, 4) %}
            lag(reading_km, {{ n }}) over readings as km_before_{{ n }},
            lag(filled_s, {{ n }}) over readings as s_before_{{ n }},
            lead(reading_km, {{ n }}) over readings as km_after_{{ n }},
            lead(filled_s, {{ n }}) over readings as s_after_{{ n }},
        {% endfor %}
        counted_fills.*
    from counted_fills
    window readings as (
        partition by plate, has_reading
        {{ order_of_fills }}
    )

),

supported_readings as (

    -- How many of the three readings before and the three after agree, minus how many disagree.
    select
        {{ carried }},
        has_reading,
        is_counted,
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
    order by plate, has_reading, {{ fill_sort_key }}

),

compared_support as (

    select
        supported_readings.*,
        lag(support) over readings as previous_support,
        lead(support) over readings as next_support
    from supported_readings
    window readings as (
        partition by plate, has_reading
        {{ order_of_fills }}
    )

),

judged_readings as (

    -- Of two neighbours that disagree the one with less support is wrong; with equal support the later one,
    -- unless the reading after it disagrees with the earlier one too: then the odometer itself was replaced.
    select
        {{ carried }},
        has_reading,
        is_counted,
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

),

chained_readings as (

    select
        judged_readings.*,
        case when has_good_reading then reading_km - lag(reading_km) over good_readings end
        as km_from_previous,
        case when has_good_reading then lead(reading_km) over good_readings - reading_km end as km_to_next,
        case when has_good_reading then lead(filled_s) over good_readings - filled_s end as seconds_to_next
    from judged_readings
    window good_readings as (
        partition by plate, has_good_reading
        {{ order_of_fills }}
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
            seconds_to_next <= {{ economy.topup_max_hours }} * 3600
            and km_to_next between 0 and least(
                {{ economy.topup_max_km }},
                {{ economy.topup_max_share_of_usual_distance }} * median_distance_km
            ),
            false
        ) as is_topped_up
    from usual_distances
    order by plate

),

fills_with_readings as (

    -- An interval ends at a good reading that is neither topped up nor a repetition of the last such reading;
    -- the litres of all fills since that one were burnt on the way to it.
    select
        {{ carried }},
        has_reading,
        is_counted,
        has_good_reading,
        is_topped_up,
        has_good_reading and not is_topped_up
        and coalesce(lag(reading_km) over complete_readings <> reading_km, true) as ends_interval,
        case when litres > 0 then litres end as usable_litres,
        coalesce(
            litres > {{ economy.max_litres_per_fill }}
            or (
                price_per_litre_kes not between {{ economy.min_price_kes_per_litre }}
                and {{ economy.max_price_kes_per_litre }}
                and fuel_type is distinct from 'electric'
            ),
            false
        ) as has_implausible_litres
    from grouped_readings
    window
        complete_readings as (
            partition by plate, has_good_reading and not is_topped_up
            {{ order_of_fills }}
        )
    order by plate

),

numbered_intervals as (

    select
        fills_with_readings.*,
        count(*) filter (where ends_interval) over vehicle - ends_interval::int as interval_number,
        row_number() over vehicle - 1 as fills_before,
        lag(filled_s) over vehicle as previous_fill_s,
        lag(odometer_km) over vehicle as previous_fill_odometer_km,
        case when is_counted then lag(usable_litres) over vehicle end as previous_fill_litres,
        case when has_good_reading then odometer_km end
        - lag(case when has_good_reading then odometer_km end) over vehicle as km_since_previous_fill
    from fills_with_readings
    window vehicle as (
        partition by plate, is_counted
        {{ order_of_fills }} rows unbounded preceding
    )

),

interval_sums as (

    -- The fill before the first one of an interval ended the interval before.
    select
        numbered_intervals.*,
        sum(usable_litres) over whole_interval as litres_of_interval,
        case
            when not bool_or(amount_kes is null) over whole_interval then sum(amount_kes) over whole_interval
        end as amount_of_interval_kes,
        bool_or(usable_litres is null) over whole_interval as misses_litres,
        bool_or(has_implausible_litres) over whole_interval as holds_implausible_litres,
        first_value(previous_fill_odometer_km) over whole_interval as previous_odometer_km,
        first_value(previous_fill_s) over whole_interval as previous_end_s
    from numbered_intervals
    window whole_interval as (
        partition by plate, is_counted, interval_number
        {{ order_of_fills }}
        rows between unbounded preceding and unbounded following
    )

),

measured_intervals as (

    select
        interval_sums.*,
        case when has_reading then odometer_km - previous_odometer_km end as distance_km,
        case
            when unusable_reason is not null then unusable_reason
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
            when odometer_km = previous_odometer_km then 'odometer_repeated'
            when is_topped_up then 'topup_merged'
            when misses_litres then 'litres_missing'
            when holds_implausible_litres then 'litres_implausible'
        end as reason_so_far
    from interval_sums

),

with_economy as (

    select
        {{ carried }},
        is_counted,
        ends_interval,
        fills_before,
        -- Known by how many fills lie before it; the first fills are blocks of their own, to have one soon.
        case
            when fills_before < {{ economy.baseline_block_fills }} then fills_before
            else fills_before - fills_before % {{ economy.baseline_block_fills }}
        end as block,
        previous_fill_s,
        previous_fill_litres,
        km_since_previous_fill,
        litres_of_interval,
        amount_of_interval_kes,
        previous_odometer_km,
        previous_end_s,
        distance_km,
        reason_so_far,
        usable_litres,
        has_implausible_litres,
        case when reason_so_far is null then distance_km::double precision end as candidate_distance_km,
        case when reason_so_far is null then litres_of_interval::double precision end as candidate_litres
    from measured_intervals
    order by plate, is_counted

),

with_samples as (

    -- What the vehicle's fills before this block of them were like: the samples of every baseline. They are
    -- the same for the whole block, so its first fill alone carries them.
    select
        with_economy.*,
        fills_before = block as starts_block,
        case
            when fills_before = block then
                array_agg(usable_litres::double precision)
                filter (where is_counted and usable_litres is not null and not has_implausible_litres)
                    over previous_blocks
        end as sample_litres,
        case
            when fills_before = block then
                array_agg(candidate_distance_km)
                filter (where candidate_distance_km is not null)
                    over previous_blocks
        end as sample_distances_km,
        case
            when fills_before = block then
                array_agg(candidate_distance_km / candidate_litres)
                filter (where candidate_distance_km is not null)
                    over previous_blocks
        end as sample_km_per_litre,
        case
            when fills_before = block then
                array_agg(fuel_type)
                filter (where is_counted and fuel_type is not null)
                    over previous_blocks
        end as sample_fuel_types
    from with_economy
    window previous_blocks as (
        partition by plate, is_counted
        order by block
        range between {{ economy.baseline_fills }} preceding and 1 preceding
    )

),

with_medians as (

    select
        with_samples.*,
        case when starts_block then (
            select value from unnest(sample_litres) as value
            order by value desc limit 1 offset 1
        ) end as block_most_litres,
        case when starts_block then (
            select
                percentile_cont(0.5) within group (
                    order by value
                )
            from unnest(sample_distances_km) as value
        ) end as block_distance_km,
        case when starts_block then (
            select
                percentile_cont(0.5) within group (
                    order by value
                )
            from unnest(sample_km_per_litre) as value
        ) end as block_km_per_litre,
        case when starts_block then (
            select mode() within group (
                order by value
            ) from unnest(sample_fuel_types) as value
        ) end as block_fuel_type
    from with_samples
    order by plate, is_counted, block

),

with_deviations as (

    select
        with_medians.*,
        round(block_most_litres::numeric, 3) as block_max_litres,
        case when starts_block then round((
            select
                percentile_cont(0.5) within group (
                    order by abs(value - block_km_per_litre)
                )
            from unnest(sample_km_per_litre) as value
        )::numeric, 3) end as block_km_per_litre_mad,
        case when starts_block then round(
            cardinality(array_positions(sample_fuel_types, block_fuel_type))::numeric
            / cardinality(sample_fuel_types), 3
        ) end as block_fuel_type_share,
        -- Who often burns more than the largest fills hold does not fill up. An interval of more litres holds
        -- several fills.
        case when starts_block then (
            select
                avg(
                    (
                        km / block_km_per_litre
                        > block_most_litres * {{ economy.partial_fills_times_usual_max }}
                    )::int
                ) <= {{ economy.partial_fills_max_share }}
            from unnest(sample_distances_km, sample_km_per_litre) as sample (km, km_per_litre)
            where km / km_per_litre <= block_most_litres
        ) end as block_fills_up,
        case when starts_block then coalesce(cardinality(sample_litres), 0) end as block_litres_samples,
        case when starts_block then coalesce(cardinality(sample_km_per_litre), 0) end
        as block_km_per_litre_samples,
        case when starts_block then coalesce(cardinality(sample_fuel_types), 0) end
        as block_fuel_type_samples
    from with_medians
    order by plate, is_counted, block

),

with_baselines as (

    select
        {{ carried }},
        is_counted,
        ends_interval,
        block,
        previous_fill_s,
        previous_fill_litres,
        km_since_previous_fill,
        litres_of_interval,
        amount_of_interval_kes,
        previous_odometer_km,
        previous_end_s,
        distance_km,
        reason_so_far,
        has_implausible_litres,
        candidate_distance_km,
        candidate_litres,
        first_value(block_distance_km) over of_block as usual_distance_km,
        first_value(block_max_litres) over of_block as usual_max_litres,
        first_value(block_fills_up) over of_block as fills_up,
        first_value(block_litres_samples) over of_block as litres_samples,
        first_value(block_km_per_litre) over of_block as usual_km_per_litre,
        first_value(block_km_per_litre_mad) over of_block as km_per_litre_mad,
        first_value(block_km_per_litre_samples) over of_block as km_per_litre_samples,
        first_value(block_fuel_type) over of_block as usual_fuel_type,
        first_value(block_fuel_type_share) over of_block as usual_fuel_type_share,
        first_value(block_fuel_type_samples) over of_block as fuel_type_samples
    from with_deviations
    window of_block as (
        partition by plate, is_counted, block
        {{ order_of_fills }}
    )

),

compared_with_next as (

    -- Far more km than the litres explain: fills in between were not reported, or the reading is too high, or
    -- the tank was not filled up. Unless it is the first, the next interval makes up for it.
    select
        with_baselines.*,
        coalesce(
            km_per_litre_samples >= {{ economy.missed_fill_min_intervals }}
            and candidate_distance_km
            >= {{ economy.missed_fill_min_times_usual_distance }} * usual_distance_km
            and candidate_distance_km / candidate_litres
            >= {{ economy.missed_fill_min_times_usual_km_per_litre }} * usual_km_per_litre,
            false
        ) as is_too_far,
        coalesce(
            (candidate_distance_km + lead(candidate_distance_km) over ends_of_intervals)
            / (candidate_litres + lead(candidate_litres) over ends_of_intervals)
            <= {{ economy.missed_fill_max_times_usual_km_per_litre_with_next }} * usual_km_per_litre,
            false
        ) as is_usual_with_next
    from with_baselines
    window ends_of_intervals as (
        partition by plate, is_counted, ends_interval
        {{ order_by_blocks }}
    )

),

merged_intervals as (

    select
        compared_with_next.*,
        coalesce(is_too_far and is_usual_with_next and not lead(is_too_far) over ends_of_intervals, false)
        as is_merged,
        coalesce(not is_too_far and lag(is_too_far and is_usual_with_next) over ends_of_intervals, false)
        as makes_up,
        lag(litres_of_interval) over ends_of_intervals as merged_litres,
        lag(amount_of_interval_kes) over ends_of_intervals as merged_amount_kes,
        lag(previous_odometer_km) over ends_of_intervals as merged_odometer_km,
        lag(previous_end_s) over ends_of_intervals as merged_end_s
    from compared_with_next
    window ends_of_intervals as (
        partition by plate, is_counted, ends_interval
        {{ order_by_blocks }}
    )

),

judged_intervals as (

    select
        {{ carried }},
        is_counted,
        ends_interval and not is_merged as ends_interval,
        block,
        previous_fill_s,
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
        end as exclusion_reason
    from merged_intervals
    order by plate, is_counted, block

),

summed_so_far as (

    select
        judged_intervals.*,
        exclusion_reason is null as is_valid,
        count(*) filter (where exclusion_reason is null) over vehicle as valid_so_far,
        sum(distance_km::double precision) filter (where exclusion_reason is null) over vehicle as km_so_far,
        sum(litres_of_interval::double precision) filter (where exclusion_reason is null) over vehicle
        as litres_so_far,
        lag(ends_interval) over vehicle as starts_interval,
        -- Bought less burnt: how full the tank is, but for a constant. An interval without economy may have
        -- emptied it.
        coalesce(
            sum(
                case
                    when exclusion_reason is null
                        then
                            litres_of_interval::double precision
                            - distance_km::double precision / usual_km_per_litre
                    when ends_interval then -usual_max_litres
                end
            ) over vehicle, 0
        ) as tank_level,
        -- The tank holds at least what was just put in.
        (usual_max_litres - least(litres, usual_max_litres))::double precision as most_room_litres
    from judged_intervals
    window vehicle as (
        partition by plate, is_counted
        {{ order_by_blocks }} rows unbounded preceding
    )

),

rolled_up as (

    select
        summed_so_far.*,
        (km_so_far - coalesce(lag(km_so_far, {{ economy.rolling_intervals }}) over valid_intervals, 0))
        / nullif(
            litres_so_far
            - coalesce(lag(litres_so_far, {{ economy.rolling_intervals }}) over valid_intervals, 0), 0
        ) as sum_km_per_litre,
        (km_so_far - coalesce(lag(km_so_far, 2) over valid_intervals, 0))
        / nullif(litres_so_far - coalesce(lag(litres_so_far, 2) over valid_intervals, 0), 0)
        as last_two_km_per_litre,
        -- The level of a full tank, as the intervals before this one show it.
        {{ full_tank.level }} as full_level_before
    from summed_so_far
    window valid_intervals as (
        partition by plate, is_valid
        {{ order_of_fills }}
    )

),

with_rolling as (

    -- A fill without an economy of its own shows the rolling figure as it stands.
    select
        rolled_up.*,
        first_value(case when is_valid then sum_km_per_litre end) over since_last_valid
        as rolling_km_per_litre,
        first_value(
            case
                when is_valid
                    then least(tank_level + most_room_litres, greatest(tank_level, full_level_before))
            end
        ) over since_last_valid as full_level
    from rolled_up
    window since_last_valid as (
        partition by plate, is_counted, valid_so_far
        {{ order_of_fills }}
    )

),

with_unexplained as (

    -- What did not fit into the tank. A fill that is topped up answers for itself, and its top-up for no more
    -- than its own litres.
    select
        with_rolling.*,
        nullif(
            case
                -- Nobody knows how full the tank is of a vehicle that is never filled up.
                when fills_up is not true then null
                when
                    is_valid and not starts_interval and km_since_previous_fill is not null
                    and litres < tank_level - full_level_before
                    then litres
                when is_valid then tank_level - full_level_before
                when
                    exclusion_reason = 'topup_merged' and starts_interval
                    and litres > 0 and not has_implausible_litres
                    then tank_level + litres - distance_km / usual_km_per_litre - full_level
            end, '-infinity'
        ) as unexplained_litres
    from with_rolling

),

with_months as (

    -- What the monthly report adds up is kept on the first fill of a vehicle's month.
    select
        {% for name, value in month_sums.items() %}
            sum({{ value }}) over vehicle_month as month_{{ name }},
        {% endfor %}
        count(*) over vehicle_month as month_fills,
        coalesce(exclusion_reason, '') <> 'not_live' and row_number() over vehicle_month = 1 as starts_month,
        with_unexplained.*
    from with_unexplained
    window vehicle_month as (
        partition by
            plate,
            coalesce(exclusion_reason, '') <> 'not_live',
            date_trunc('month', filled_at at time zone 'Africa/Nairobi'),
            department_raw,
            fuel_type,
            case when plate is null then id end
        {{ order_of_fills }}
        rows between unbounded preceding and unbounded following
    )

),

final as (

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
        duplicate_of_id,
        previous_odometer_km,
        distance_km,
        round(((filled_s - previous_end_s) / 86400)::numeric, 3) as days_since_previous,
        case when is_valid then litres_of_interval end as interval_litres,
        case when is_valid then amount_of_interval_kes end
        as interval_amount_kes,
        case when is_valid then round(distance_km / litres_of_interval, 3) end as km_per_litre,
        case when is_valid then round(litres_of_interval * 100 / distance_km, 3) end
        as litres_per_100km,
        case when is_valid then round(amount_of_interval_kes / distance_km, 3) end as kes_per_km,
        round(rolling_km_per_litre::numeric, 3) as rolling_km_per_litre,
        nullif(least(valid_so_far, {{ economy.rolling_intervals }}), 0)::int as rolling_intervals,
        coalesce(is_valid, false) as is_valid,
        exclusion_reason,
        case
            when
                is_counted
                -- Midnight in Nairobi is a date without a time.
                and (filled_s + 10800) / 86400 <> floor((filled_s + 10800) / 86400)
                and (previous_fill_s + 10800) / 86400 <> floor((previous_fill_s + 10800) / 86400)
                then round(((filled_s - previous_fill_s) / 3600)::numeric, 3)
        end as hours_since_previous_fill,
        previous_fill_litres,
        km_since_previous_fill,
        round(usual_distance_km::numeric, 1) as usual_distance_km,
        usual_max_litres,
        litres_samples,
        round(usual_km_per_litre::numeric, 3) as usual_km_per_litre,
        case when is_valid then round(last_two_km_per_litre::numeric, 3) end as last_two_km_per_litre,
        round(unexplained_litres::numeric, 3) as unexplained_litres,
        km_per_litre_mad,
        km_per_litre_samples,
        fills_up,
        usual_fuel_type,
        usual_fuel_type_share,
        fuel_type_samples,
        case when starts_month then month_fills end as month_fills,
        {% for name in month_sums %}
            case when starts_month then month_{{ name }} end as month_{{ name }},
        {% endfor %}
        load_id,
        '{{ fingerprint }}'::text as derivation
    from with_months

)

select * from final
