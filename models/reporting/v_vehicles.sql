{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}
{#- In a sub-select the instant is worked out once, not for each fill. -#}
{%- set since_30_days = 'fills.filled_at >= (select ' ~ nairobi_midnight(nairobi_today() ~ ' - 29') ~ ')' %}

with plates as (

    select plate from {{ ref('tracker_devices') }}
    union
    -- Distinct already here, through the index alone: PostgreSQL then knows how few there are.
    select distinct plate from {{ ref('fill_intervals') }}
    where plate is not null

)

-- Each step is a probe of the index on plate and time, for one vehicle as for all.
select
    plates.plate,
    tracker_devices.plate is not null as is_tracked,
    tracker_devices.cost_centre,
    tracker_devices.assigned_city,
    last_fill.filled_at as last_filled_at,
    {{ nairobi_today() }} - (last_fill.filled_at at time zone 'Africa/Nairobi')::date as days_since_last_fill,
    {%- for days in [30, 90] %}
        recent.fills_{{ days }}d,
        recent.litres_{{ days }}d::numeric(18, 3) as litres_{{ days }}d,
        recent.amount_kes_{{ days }}d::numeric(18, 2) as amount_kes_{{ days }}d,
    {%- endfor %}
    usual.rolling_km_per_litre,
    usual.usual_km_per_litre,
    usual.usual_max_litres,
    recent.lost_kes_30d::numeric(18, 2) as lost_kes_30d,
    coalesce(open_findings.open_findings_30d, 0) as open_findings_30d
from plates
left join {{ ref('tracker_devices') }} as tracker_devices on plates.plate = tracker_devices.plate
left join {{ ref('open_findings') }} as open_findings on plates.plate = open_findings.plate
left join lateral (
    select fills.filled_at
    from {{ ref('fill_intervals') }} as fills
    where
        fills.plate = plates.plate
        and fills.filled_at is not null
        and fills.exclusion_reason is distinct from 'not_live'
        and fills.fuel_type is distinct from 'not_fuel'
    order by fills.filled_at desc
    limit 1
) as last_fill on true
left join lateral (
    select
        fills.rolling_km_per_litre,
        fills.usual_km_per_litre,
        fills.usual_max_litres
    from {{ ref('fill_intervals') }} as fills
    where
        fills.plate = plates.plate
        and fills.filled_at is not null
        and coalesce(fills.exclusion_reason, '') not in ('not_live', 'duplicate', 'corrected', 'not_fuel')
    order by fills.filled_at desc
    limit 1
) as usual on true
cross join
    lateral (
        select
            {%- for days, within in [(30, since_30_days), (90, 'true')] %}
                count(*) filter (where {{ within }}) as fills_{{ days }}d,
                -- Litres and kWh are never added.
                case
                    when
                        count(*) filter (where {{ within }} and fills.fuel_type = 'electric') = 0
                        or count(*) filter (
                            where
                            {{ within }}
                            and coalesce(fills.fuel_type, '') not in ('electric', 'not_fuel')
                        ) = 0
                        then
                            coalesce(sum(fills.litres) filter (
                                where {{ within }} and fills.fuel_type is distinct from 'not_fuel'
                            ), 0)
                end as litres_{{ days }}d,
                coalesce(sum(fills.amount_kes) filter (where {{ within }}), 0) as amount_kes_{{ days }}d,
            {%- endfor %}
            coalesce(sum(fills.lost_kes) filter (where {{ since_30_days }}), 0) as lost_kes_30d
        from {{ ref('fill_intervals') }} as fills
        where
            fills.plate = plates.plate
            and fills.filled_at >= {{ nairobi_midnight(nairobi_today() ~ ' - 89') }}
            and fills.filled_at < {{ nairobi_midnight(nairobi_today() ~ ' + 1') }}
            and fills.exclusion_reason is distinct from 'not_live'
            and {{ counts_as_spend('fills.id', 'fills.exclusion_reason') }}
    ) as recent
-- A plate all of whose fills were deleted is no vehicle of anybody's.
where tracker_devices.plate is not null or last_fill.filled_at is not null
