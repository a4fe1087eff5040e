{#- The samples are of the same fills in the same order; null where a fill has no such figure. -#}
{%- set samples = {
    'litres': 'case when not has_implausible_litres then usable_litres end::double precision',
    'distances_km': 'case when is_candidate then candidate_distance_km end',
    'interval_litres': 'case when is_candidate then candidate_litres end',
    'fuel_types': 'fuel_type',
} -%}

with candidates as (

    select
        measured_intervals.*,
        case when reason_so_far is null then distance_km::double precision end as candidate_distance_km,
        case when reason_so_far is null then litres_of_interval::double precision end as candidate_litres,
        reason_so_far is null
        and distance_km <= {{ economy_setting('max_km_per_litre') }} * litres_of_interval
        as is_candidate,
        -- Known by how many fills lie before it; the first fills are blocks of their own, to have one soon.
        case
            when fills_before < {{ economy_setting('baseline_block_fills') }} then fills_before
            else fills_before - fills_before % {{ economy_setting('baseline_block_fills') }}
        end as block
    from {{ ref('measured_intervals') }} as measured_intervals
    order by plate, is_counted

)

-- The samples are the same for the whole block, so its first fill alone carries them. Where a vehicle takes
-- two fuels, each fill looks for those of its own.
select
    candidates.*,
    {% for name, value in samples.items() %}
        case
            when is_counted and (fills_before = block or takes_two_fuels)
                then array_agg({{ value }}) over previous_blocks
        end as sample_{{ name }},
    {% endfor %}
    fills_before = block as starts_block
from candidates
window
    previous_blocks as (
        partition by plate, is_counted
        order by block
        range between {{ economy_setting('baseline_fills') }} preceding and 1 preceding
    )
order by plate, is_counted, block
