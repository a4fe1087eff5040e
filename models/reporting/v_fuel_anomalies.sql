{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}
{%- set rules = rules_of_anomalies() %}
{%- set measures = {
    'is_duplicate': "coalesce(exclusion_reason in ('duplicate', 'corrected'), false)",
    'is_judged':
        "coalesce(exclusion_reason, '') not in ('duplicate', 'corrected', 'not_fuel')"
        ~ " and coalesce(fuel_type <> 'not_fuel', true)"
        ~ ' and coalesce(litres >= 0, true) and coalesce(amount_kes >= 0, true)',
    'paid_price':
        'coalesce(price_per_litre_kes, case when is_regulated'
        ~ ' or fleet_fills >= price_out_of_band_min_fleet_fills then expected_price end)',
} %}
{%- for rule in rules.values() %}
    {%- do measures.update(rule.get('measures', {})) %}
{%- endfor %}

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
        price_known.is_before_maximum,
        mistimed.filled_at_typed
    from fill_intervals
    left join tracker_devices on fill_intervals.plate = tracker_devices.plate
    left join {{ ref('records') }} as mistimed
        on fill_intervals.id = mistimed.id and mistimed.filled_at_source = 'reported'
    {{ regulated_price('fill_intervals', 'tracker_devices.assigned_city') }}
    -- The fleet's price hangs on week, fuel and this: they take few values, which PostgreSQL has to know.
    {{ computed_once('price_known', {
        'is_before_maximum': 'coalesce(fill_intervals.filled_week < regulated_price.first_valid_from, true)',
    }) }}
    where fill_intervals.exclusion_reason is distinct from 'not_live'

),

priced_fills as (

    select
        fills.*,
        switches.*,
        thresholds.*,
        fleet.samples as fleet_fills,
        price.*
    from fills
    {{ fleet_price('fills') }}
    cross join switches
    cross join thresholds
    {{ computed_once('price', {
        'expected_price': 'coalesce(fills.max_price_kes_per_litre, fleet.median_price)',
        'is_regulated': 'fills.max_price_kes_per_litre is not null',
    }) }}

),

measured_fills as (

    select
        fill.*,
        measures.*
    from priced_fills as fill
    {{ computed_once('measures', measures) }}
    {{ as_one_step() }}

),

{{ found_fills_ctes(rules, 'measured_fills') }},

findings as (

    select
        fill.id,
        fill.plate,
        fill.filled_at,
        finding.rule,
        finding.finding_key,
        finding.observed,
        finding.expected,
        -- All findings of a fill together put no more in question than was paid: the largest comes first.
        case
            when finding.kes_at_risk is not null
                then least(
                    finding.kes_at_risk,
                    greatest(
                        coalesce(abs(fill.amount_kes), abs(fill.litres) * fill.paid_price)
                        - finding.kes_before, 0
                    )
                )
        end::numeric(24, 2) as kes_at_risk,
        finding.explanation
    from found_fills as fill
    cross join lateral (  -- noqa: ST05
        select
            in_words.*,
            coalesce(
                sum(kes_at_risk)
                    over (
                        order by kes_at_risk desc nulls last, rule asc
                        rows between unbounded preceding and 1 preceding
                    ), 0
            ) as kes_before
        from ({{ findings_in_words(rules) }}) as in_words
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
        findings.explanation,
        findings.finding_key,
        coalesce(reviewed.verdict, 'open') as status,
        {{ csv_cell('findings.finding_key') }}
        || ',dismissed,,' || to_char(now() at time zone 'Africa/Nairobi', 'YYYY-MM-DD') || ',' as csv_line,
        {{ without_phone_numbers('reviewed.reviewed_by') }} as reviewed_by,
        reviewed.reviewed_on,
        {{ without_phone_numbers('reviewed.note') }} as note
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
    left join {{ ref('reviewed_findings') }} as reviewed on findings.finding_key = reviewed.finding_key

)

select * from final
