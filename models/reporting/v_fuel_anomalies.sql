{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}
{%- set rules = rules_of_anomalies() %}

-- Used more than once: as plain CTEs they would be copied, and read through for each fill of a vehicle.
with fill_intervals as not materialized (

    select * from {{ ref('fill_intervals') }}

),

tracker_devices as not materialized (

    select * from {{ ref('tracker_devices') }}

),

switches as (

    select
        {{ switch_columns(rules) }},
        exists(select 1 from tracker_devices) as has_tracker
    from {{ ref('anomaly_rules') }}

),

thresholds as (

    select {{ threshold_columns(rules) }} from {{ ref('anomaly_thresholds') }}

),

fills as (

    select
        fill_intervals.*,
        tracker_devices.plate is not null as is_tracked,
        regulated_price.max_price_kes_per_litre,
        regulated_price.first_valid_from
    from fill_intervals
    left join tracker_devices on fill_intervals.plate = tracker_devices.plate
    {{ regulated_price('fill_intervals', 'tracker_devices.assigned_city') }}
    where fill_intervals.exclusion_reason is distinct from 'not_live'

),

priced_fills as (

    select
        fills.*,
        switches.*,
        thresholds.*,
        fleet.samples as fleet_fills,
        fills.max_price_kes_per_litre is not null as is_regulated,
        coalesce(fills.max_price_kes_per_litre, fleet.median_price) as expected_price,
        case
            when fills.max_price_kes_per_litre is not null then 'the regulated maximum of that date'
            else 'the fleet''s median of that week'
        end as expected_price_source
    from fills
    {{ fleet_price('fills') }}
    cross join switches
    cross join thresholds

),

measured_fills as (

    select
        priced_fills.*,
        {{ measure_columns(rules) }},
        coalesce(exclusion_reason = 'duplicate', false) as is_duplicate,
        coalesce(
            price_per_litre_kes,
            case when is_regulated or fleet_fills >= price_out_of_band_min_fleet_fills then expected_price end
        ) as paid_price
    from priced_fills

),

{{ found_fills_ctes(rules, 'measured_fills') }},

findings as (

    select
        found_fills.id,
        found_fills.plate,
        found_fills.filled_at,
        finding.*
    from found_fills
    cross join lateral (  -- noqa: ST05
        {{ findings_in_words(rules) }}
    ) as finding

),

final as (

    select
        findings.id,
        findings.rule,
        anomaly_rules.severity,
        findings.plate,
        records.department,
        findings.filled_at,
        findings.observed,
        findings.expected,
        findings.kes_at_risk,
        findings.explanation
    from findings
    -- `limit all`: a probe for each finding, not a join with all records. Naming the rule makes the probe
    -- wait for the finding.
    cross join
        lateral (
            select of_finding.department
            from {{ ref('records') }} as of_finding
            where
                of_finding.id = findings.id and findings.rule is not null
                and of_finding.deleted_at is null and of_finding.absent_since is null
            limit all
        ) as records
    inner join {{ ref('anomaly_rules') }} as anomaly_rules on findings.rule = anomaly_rules.rule

)

select * from final
