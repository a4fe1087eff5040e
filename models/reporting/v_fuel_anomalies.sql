{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}
{%- set baseline_fills = var('economy')['baseline_fills'] %}
{%- set max_km_per_day = var('economy')['max_km_per_day'] %}
{%- set rules = [
    'duplicate_submission', 'odometer_rollback', 'implausible_distance', 'litres_over_usual_maximum',
    'price_out_of_band', 'litres_amount_swapped', 'fuel_type_unusual', 'refill_too_soon',
    'economy_below_baseline', 'plate_unknown',
] %}
{%- set lowest_price = 'expected_price * (1 - price_out_of_band_second_threshold)' %}
{%- set highest_price = 'expected_price * (1 + price_out_of_band_threshold)' %}

with fill_intervals as (

    select * from {{ ref('fill_intervals') }}

),

-- Used twice: as one CTE it would be copied, and read through for each fill of a vehicle.
tracker_devices as not materialized (

    select * from {{ ref('tracker_devices') }}

),

anomaly_rules as (

    select * from {{ ref('anomaly_rules') }}

),

price_caps as (

    -- A fuel's prices in their order, and the instants from which they hold.
    select
        fuel_type,
        min(valid_from) as first_valid_from,
        array_agg(
            valid_from::timestamp at time zone 'Africa/Nairobi'
            order by valid_from
        ) as starts,
        array_agg(
            max_price_kes_per_litre
            order by valid_from
        ) as prices
    from {{ ref('fuel_price_caps') }}
    group by fuel_type

),

settings as (

    -- One row: a rule that is off or not in the CSV is not true, and so never speaks.
    select
        {%- for rule in rules %}
            bool_or(enabled) filter (where rule = '{{ rule }}') as {{ rule }},
            max(threshold) filter (where rule = '{{ rule }}') as {{ rule }}_threshold,
            max(second_threshold) filter (where rule = '{{ rule }}') as {{ rule }}_second_threshold,
            max(third_threshold) filter (where rule = '{{ rule }}') as {{ rule }}_third_threshold,
            max(fourth_threshold) filter (where rule = '{{ rule }}') as {{ rule }}_fourth_threshold,
            max(min_samples) filter (where rule = '{{ rule }}') as {{ rule }}_min_samples,
        {%- endfor %}
        exists(select 1 from tracker_devices) as has_tracker
    from anomaly_rules

),

fills as (

    select
        fill_intervals.*,
        tracker_devices.plate is not null as is_tracked,
        price_caps.first_valid_from,
        -- The price before the first one is null.
        price_caps.prices[width_bucket(fill_intervals.filled_at, price_caps.starts)]
        as max_price_kes_per_litre
    from fill_intervals
    left join tracker_devices on fill_intervals.plate = tracker_devices.plate
    left join price_caps on fill_intervals.fuel_type = price_caps.fuel_type
    where fill_intervals.exclusion_reason is distinct from 'not_live'

),

priced_fills as (

    -- Without a regulated price, the fleet's own median of that week and fuel, read through its index.
    -- Whether it is asked for hangs on week and fuel alone, so PostgreSQL remembers it from fill to fill;
    -- it would not if the rules' conditions, which need the settings, could be put to this join.
    select
        fills.*,
        settings.*,
        coalesce(fills.max_price_kes_per_litre, fleet.median_price) as expected_price,
        {%- for rule in ['price_out_of_band', 'litres_amount_swapped'] %}
            fills.max_price_kes_per_litre is not null
            or fleet.samples >= coalesce(settings.{{ rule }}_min_samples, 1) as {{ rule }}_has_basis,
        {%- endfor %}
        case
            when fills.max_price_kes_per_litre is not null then 'the regulated maximum of that date'
            else 'the fleet''s median of that week'
        end as expected_price_source
    from fills
    left join lateral (
        select
            percentile_cont(0.5) within group (
                order by price_per_litre_kes
            )::numeric as median_price,
            count(*) as samples
        from {{ ref('fill_intervals') }} as same_week
        where
            coalesce(fills.filled_week < fills.first_valid_from, true)
            and same_week.fuel_type = fills.fuel_type
            and same_week.filled_week = fills.filled_week
            and same_week.price_per_litre_kes > 0
            and same_week.exclusion_reason is distinct from 'not_live'
            and same_week.exclusion_reason is distinct from 'duplicate'
    ) as fleet on true
    cross join settings

),

measured_fills as (

    select
        priced_fills.*,
        coalesce(exclusion_reason = 'duplicate', false) as is_duplicate,
        coalesce(
            litres_amount_swapped and litres_amount_swapped_has_basis
            and litres / nullif(amount_kes, 0) between expected_price * (1 - litres_amount_swapped_threshold)
            and expected_price * (1 + litres_amount_swapped_threshold),
            false
        ) as is_swapped,
        coalesce(price_per_litre_kes, case when price_out_of_band_has_basis then expected_price end)
        as paid_price,
        distance_km / greatest(days_since_previous, 1) as km_per_day,
        previous_fill_litres + litres - coalesce(km_since_previous_fill / nullif(usual_km_per_litre, 0), 0)
        as litres_in_tank,
        -- A fill that the next one tops up has no economy of its own, but litres that may be too many.
        coalesce(interval_litres, litres) as judged_litres,
        coalesce(km_per_litre, distance_km / nullif(litres, 0)) as judged_km_per_litre,
        usual_max_litres * litres_over_usual_maximum_threshold as most_litres,
        usual_km_per_litre * economy_below_baseline_threshold as low_km_per_litre,
        usual_max_litres * economy_below_baseline_third_threshold as too_much_unexplained_litres
    from priced_fills

),

judged_fills as (

    -- Findings that keep a vaguer rule from repeating them. Here and in the rules themselves, what rules out
    -- most fills at little cost is asked first.
    select
        measured_fills.*,
        coalesce(
            fuel_type_unusual and not is_duplicate
            and fuel_type_samples >= fuel_type_unusual_min_samples
            and usual_fuel_type_share >= fuel_type_unusual_threshold
            and fuel_type <> usual_fuel_type,
            false
        ) as is_unusual_fuel,
        coalesce(
            litres > most_litres
            and litres_over_usual_maximum and not is_duplicate and not is_swapped
            and litres_samples >= litres_over_usual_maximum_min_samples,
            false
        ) as is_over_maximum,
        coalesce(
            litres_over_usual_maximum
            and previous_fill_litres > most_litres,
            false
        ) as is_after_over_maximum,
        coalesce(
            hours_since_previous_fill <= refill_too_soon_threshold
            and refill_too_soon and not is_duplicate
            and litres_samples >= refill_too_soon_min_samples
            and km_per_litre_samples >= refill_too_soon_min_samples
            and km_since_previous_fill >= 0
            -- One fill that is too large by itself is the other rule's finding.
            and greatest(litres, previous_fill_litres) <= usual_max_litres * refill_too_soon_second_threshold
            and (
                (fills_up and litres_in_tank > usual_max_litres * refill_too_soon_second_threshold)
                -- The fill before was smaller, and filled the tank all the same.
                or (
                    interval_litres > litres
                    and unexplained_litres > usual_max_litres * (refill_too_soon_second_threshold - 1)
                )
            ),
            false
        ) as is_too_soon
    from measured_fills

),

flagged_fills as (

    select
        judged_fills.*,
        duplicate_submission and is_duplicate as has_duplicate_submission,
        odometer_rollback and exclusion_reason = 'odometer_rollback'
        and -distance_km > odometer_rollback_threshold
        as has_odometer_rollback,
        implausible_distance
        and (
            (not is_duplicate and km_per_day > implausible_distance_threshold)
            -- Not for its distance, which is the threshold's to judge.
            or (exclusion_reason = 'distance_implausible' and km_per_day <= {{ max_km_per_day }})
        )
        as has_implausible_distance,
        is_over_maximum as has_litres_over_usual_maximum,
        (
            price_per_litre_kes > {{ highest_price }}
            -- Too many litres make the price too low.
            or (
                price_per_litre_kes < {{ lowest_price }}
                and not is_over_maximum
            )
        )
        and price_out_of_band and price_out_of_band_has_basis
        and not is_duplicate and not is_swapped and not is_unusual_fuel
        as has_price_out_of_band,
        is_swapped and not is_duplicate as has_litres_amount_swapped,
        is_unusual_fuel as has_fuel_type_unusual,
        is_too_soon as has_refill_too_soon,
        judged_km_per_litre < low_km_per_litre
        and economy_below_baseline and not is_over_maximum and not is_too_soon
        and not (interval_litres > litres and is_after_over_maximum)
        and km_per_litre_samples >= economy_below_baseline_min_samples
        -- A reading too high or a tank not filled up makes the interval before look as much too good.
        and coalesce(
            last_two_km_per_litre < usual_km_per_litre * (1 + economy_below_baseline_threshold) / 2, true
        )
        -- 1.4826 makes a MAD comparable with a standard deviation.
        and judged_km_per_litre
        < usual_km_per_litre - economy_below_baseline_second_threshold * 1.4826 * km_per_litre_mad
        -- More than the tank had room for; known only where it is judged.
        and unexplained_litres > too_much_unexplained_litres
        as has_economy_below_baseline,
        plate_unknown and has_tracker and plate is not null and not is_tracked as has_plate_unknown
    from judged_fills

),

found_fills as (

    -- Only what a rule has found is put into words: to try every rule's sentence on every fill takes longer.
    select * from flagged_fills
    where
        {%- for rule in rules %}
            {{ 'or ' if not loop.first }}has_{{ rule }}
        {%- endfor %}

),

findings as (

    select
        found_fills.id,
        found_fills.plate,
        found_fills.filled_at,
        found_fills.most_litres,
        found_fills.low_km_per_litre,
        found_fills.too_much_unexplained_litres,
        found_fills.economy_below_baseline_fourth_threshold as silent_from_times,
        finding.*
    from found_fills
    cross join lateral (  -- noqa: ST05

        select
            'duplicate_submission' as rule,
            'reported again' as observed,
            'one report' as expected,
            amount_kes as kes_at_risk,
            concat(
                'The same ',
                concat_ws(' for ', {{ figure('litres', 1) }} || ' l', 'KES ' || {{ figure('amount_kes') }}),
                ' are also reported as fill ', duplicate_of_id, '.'
            ) as explanation
        where has_duplicate_submission

        union all

        select
            'odometer_rollback' as rule,
            {{ figure('odometer_km') }} || ' km' as observed,
            'at least ' || {{ figure('previous_odometer_km') }} || ' km' as expected,
            amount_kes as kes_at_risk,
            concat(
                'The odometer reads ', {{ figure('odometer_km') }}, ' km, ', {{ figure('-distance_km') }},
                ' km less than the ', {{ figure('previous_odometer_km') }}, ' km of the last good reading.'
            ) as explanation
        where has_odometer_rollback

        union all

        select
            'implausible_distance' as rule,
            {{ figure('distance_km') }} || ' km in '
            || {{ figure('days_since_previous', 1) }} || ' days' as observed,
            'at most ' || {{ figure('implausible_distance_threshold') }}
            || ' km per day, and in agreement with the readings around it' as expected,
            amount_kes as kes_at_risk,
            concat(
                'The odometer reads ', {{ figure('odometer_km') }}, ' km, ', {{ figure('distance_km') }},
                ' km more than the last good reading ',
                {{ figure('days_since_previous', 1) }}, ' days before',
                case
                    -- Less than a day counts as one.
                    when km_per_day > implausible_distance_threshold and days_since_previous < 1
                        then
                            ': more than ' || {{ figure('implausible_distance_threshold') }}
                            || ' km within a day.'
                    when km_per_day > implausible_distance_threshold
                        then
                            -- Never the limit itself, which it exceeds.
                            ': '
                            || {{ figure('greatest(km_per_day, trunc(implausible_distance_threshold) + 1)') }}
                            || ' km per day.'
                    else ', and does not agree with readings around it.'
                end
            ) as explanation
        where has_implausible_distance

        union all

        select
            'litres_over_usual_maximum' as rule,
            -- A limit that is cut off, and litres to the last place, never read the same.
            {{ figure('litres', 1, 2) }} || ' l' as observed,
            'at most ' || {{ figure('trunc(most_litres, 1)', 1) }} || ' l' as expected,
            round((litres - usual_max_litres) * paid_price, 2) as kes_at_risk,
            concat(
                {{ figure('litres', 1) }}, ' l in one fill; the usual maximum of this vehicle is ',
                {{ figure('usual_max_litres', 1) }}, ' l (of ', litres_samples, ' fills before).'
            ) as explanation
        where has_litres_over_usual_maximum

        union all

        select
            'price_out_of_band' as rule,
            -- The band is rounded inwards, and a price a hair beside it shown with all its places.
            'KES ' || case
                when
                    round(price_per_litre_kes, 2) between {{ lowest_price }} and {{ highest_price }}
                    then {{ figure('price_per_litre_kes', 2, 2) }}
                else {{ figure('price_per_litre_kes', 2) }}
            end || ' per litre' as observed,
            'KES ' || {{ figure('ceil(' ~ lowest_price ~ ' * 100) / 100', 2) }} || ' to '
            || {{ figure('trunc(' ~ highest_price ~ ', 2)', 2) }} || ' per litre' as expected,
            least(round(abs(price_per_litre_kes - expected_price) * litres, 2), abs(amount_kes))
            as kes_at_risk,
            concat(
                'KES ', {{ figure('amount_kes') }}, ' for ', {{ figure('litres', 1) }}, ' l is KES ',
                {{ figure('price_per_litre_kes', 2) }}, ' per litre of ', fuel_type, '; ',
                expected_price_source,
                ' is KES ', {{ figure('expected_price', 2) }}, '.'
            ) as explanation
        where has_price_out_of_band

        union all

        select
            'litres_amount_swapped' as rule,
            {{ figure('litres', 1) }} || ' l for KES ' || {{ figure('amount_kes') }} as observed,
            {{ figure('amount_kes', 1) }} || ' l for KES ' || {{ figure('litres') }} as expected,
            round(abs(litres - amount_kes), 2) as kes_at_risk,
            concat(
                {{ figure('litres', 1) }}, ' l for KES ', {{ figure('amount_kes') }},
                ' make sense the other way round: KES ', {{ figure('litres / amount_kes', 2) }},
                ' per litre, where ', expected_price_source, ' is KES ',
                {{ figure('expected_price', 2) }}, '.'
            ) as explanation
        where has_litres_amount_swapped

        union all

        select
            'fuel_type_unusual' as rule,
            fuel_type as observed,
            usual_fuel_type as expected,
            amount_kes as kes_at_risk,
            concat(
                'Fuelled with ', fuel_type, '; ', {{ figure('usual_fuel_type_share * 100') }},
                ' % of the ', fuel_type_samples, ' fills before were ', usual_fuel_type, '.'
            ) as explanation
        where has_fuel_type_unusual

        union all

        select
            'refill_too_soon' as rule,
            {{ figure('litres', 1) }} || ' l '
            || {{ figure('hours_since_previous_fill', 1) }} || ' hours after '
            || {{ figure('previous_fill_litres', 1) }} || ' l' as observed,
            case
                when litres_in_tank > usual_max_litres * refill_too_soon_second_threshold
                    then
                        'together at most '
                        || {{ figure('usual_max_litres * refill_too_soon_second_threshold', 1) }}
                        || ' l more than was burnt in between'
                else
                    'at most ' || {{ figure('litres - unexplained_litres', 1) }}
                    || ' l, for which there was room in the tank'
            end as expected,
            round(
                least(litres, greatest(litres_in_tank - usual_max_litres, unexplained_litres)) * paid_price, 2
            ) as kes_at_risk,
            concat(
                {{ figure('litres', 1) }}, ' l only ', {{ figure('hours_since_previous_fill', 1) }},
                ' hours and ', {{ figure('km_since_previous_fill') }}, ' km after ',
                {{ figure('previous_fill_litres', 1) }}, ' l; ',
                case
                    when litres_in_tank > usual_max_litres * refill_too_soon_second_threshold
                        then 'the usual maximum of one fill is ' || {{ figure('usual_max_litres', 1) }}
                    else 'the tank had no room for ' || {{ figure('unexplained_litres', 1) }}
                end,
                ' l.'
            ) as explanation
        where has_refill_too_soon

        union all

        select
            'economy_below_baseline' as rule,
            {{ figure('judged_km_per_litre', 1) }} || ' km per litre' as observed,
            {{ figure('usual_km_per_litre', 1) }} || ' km per litre' as expected,
            round(
                least(judged_litres - distance_km / usual_km_per_litre, unexplained_litres)
                * coalesce(interval_amount_kes / nullif(interval_litres, 0), paid_price), 2
            ) as kes_at_risk,
            concat(
                {{ figure('distance_km') }}, ' km on ', {{ figure('judged_litres', 1) }}, ' l is ',
                {{ figure('judged_km_per_litre', 1) }}, ' km per litre; this vehicle usually makes ',
                {{ figure('usual_km_per_litre', 1) }}, ' (median of ', km_per_litre_samples, ' intervals)'
            ) as explanation
        where has_economy_below_baseline

        union all

        select
            'plate_unknown' as rule,
            found_fills.plate as observed,
            'a plate of the tracker''s devices' as expected,
            amount_kes as kes_at_risk,
            concat('The tracker knows no vehicle with the plate ', found_fills.plate, '.') as explanation
        where has_plate_unknown

    ) as finding

),

lasting_findings as (

    -- What happens again and again may be how the vehicle is used: economy tells of it and then falls silent.
    -- Too many litres are not that.
    select
        findings.*,
        as_low.times,
        as_low.fills
    from findings
    left join lateral (
        select
            count(*) as fills,
            count(*) filter (
                where
                fills_before.km_per_litre < findings.low_km_per_litre
                and fills_before.unexplained_litres > findings.too_much_unexplained_litres
                and (fills_before.litres > findings.most_litres) is not true
            ) as times
        from (
            select
                fill_before.litres,
                fill_before.km_per_litre,
                fill_before.unexplained_litres
            from {{ ref('fill_intervals') }} as fill_before
            where
                findings.rule = 'economy_below_baseline'
                and fill_before.plate = findings.plate
                and fill_before.filled_at < findings.filled_at
                and coalesce(fill_before.exclusion_reason, '') not in ('not_live', 'duplicate')
            order by fill_before.filled_at desc
            limit {{ baseline_fills }}
        ) as fills_before
    ) as as_low on true
    where coalesce(as_low.times < nullif(findings.silent_from_times, 0), true)

),

final as (

    select
        lasting_findings.id,
        lasting_findings.rule,
        anomaly_rules.severity,
        lasting_findings.plate,
        records.department,
        lasting_findings.filled_at,
        lasting_findings.observed,
        lasting_findings.expected,
        lasting_findings.kes_at_risk,
        case
            when lasting_findings.rule = 'economy_below_baseline'
                then
                    concat(
                        lasting_findings.explanation,
                        ', but was as low at ' || nullif(lasting_findings.times, 0)
                        || ' of the ' || lasting_findings.fills || ' fills before',
                        '.'
                    )
            else lasting_findings.explanation
        end as explanation
    from lasting_findings
    -- `limit all`: a probe for each finding, not a join with all records. Naming the rule makes the probe
    -- wait for the finding.
    cross join
        lateral (
            select of_finding.department
            from {{ ref('records') }} as of_finding
            where
                of_finding.id = lasting_findings.id and lasting_findings.rule is not null
                and of_finding.deleted_at is null and of_finding.absent_since is null
            limit all
        ) as records
    inner join anomaly_rules on lasting_findings.rule = anomaly_rules.rule

)

select * from final
