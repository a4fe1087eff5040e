{%- set hours = economy_setting('resend_max_hours') -%}

with neighbours as (

    select
        {% for n in (1, 2) %}
            lag(reading_km, {{ n }}) over reports as km_before_{{ n }},
            lag(filled_s, {{ n }}) over reports as s_before_{{ n }},
            lead(reading_km, {{ n }}) over reports as km_after_{{ n }},
            lead(filled_s, {{ n }}) over reports as s_after_{{ n }},
        {% endfor %}
        vehicle_fills.*
    from {{ ref('vehicle_fills') }} as vehicle_fills
    window
        reports as (
            partition by plate, unusable_reason, repeats_id is null
            {{ order_of_fills() }}
        )

),

doubted_readings as (

    -- How many of the readings around it, but more than an hour away, contradict a reading.
    select
        {{ record_columns() }},
        reading_km,
        filled_s,
        unusable_reason,
        repeats_id,
        {% for n in (1, 2) %}
            coalesce((
                filled_s - s_before_{{ n }} > {{ hours }} * 3600
                and not {{ readings_agree('km_before_' ~ n, 's_before_' ~ n, 'reading_km', 'filled_s') }}
            )::int, 0)
            + coalesce((
                s_after_{{ n }} - filled_s > {{ hours }} * 3600
                and not {{ readings_agree('reading_km', 'filled_s', 'km_after_' ~ n, 's_after_' ~ n) }}
            )::int, 0){{ ' +' if not loop.last }}
        {% endfor %} as doubts
    from neighbours
    order by plate, unusable_reason, repeats_id is null

),

reports_of_the_hour as (

    select
        doubted_readings.*,
        array_agg((id, created_at, filled_s, has_time, litres, amount_kes, reading_km, doubts)) over near
        as near_reports
    from doubted_readings
    window
        near as (
            partition by plate, unusable_reason, repeats_id is null
            order by filled_at
            range between interval '{{ hours }} hours' preceding and interval '{{ hours }} hours' following
        )
    order by plate

),

compared_reports as (

    -- The better report of the same fill, what was changed to it, and to which value.
    select
        report.*,
        case
            when cardinality(near_reports) > 1 and unusable_reason is null and repeats_id is null
                then ({{ better_report('near_reports', 'report') }})
        end as better
    from reports_of_the_hour as report

)

select
    {{ record_columns() }},
    reading_km,
    filled_s,
    unusable_reason,
    coalesce(repeats_id, better[1]) as duplicate_of_id,
    better[2] as corrected_field,
    better[3]::numeric as corrected_to,
    unusable_reason is null and repeats_id is null and better is null as is_counted,
    unusable_reason is null and repeats_id is null and better is null and reading_km is not null
    as has_reading
from compared_reports
order by plate
