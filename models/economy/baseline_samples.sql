{%- set economy = var('economy') -%}
{#- What the samples are of, and which fills give one. -#}
{%- set samples = {
    'litres': (
        'usable_litres::double precision',
        'is_counted and usable_litres is not null and not has_implausible_litres',
    ),
    'distances_km': ('candidate_distance_km', 'candidate_distance_km is not null'),
    'km_per_litre': ('candidate_distance_km / candidate_litres', 'candidate_distance_km is not null'),
    'fuel_types': ('fuel_type', 'is_counted and fuel_type is not null'),
} -%}

with blocks as (

    select
        measured_intervals.*,
        -- Known by how many fills lie before it; the first fills are blocks of their own, to have one soon.
        case
            when fills_before < {{ economy.baseline_block_fills }} then fills_before
            else fills_before - fills_before % {{ economy.baseline_block_fills }}
        end as block,
        case when reason_so_far is null then distance_km::double precision end as candidate_distance_km,
        case when reason_so_far is null then litres_of_interval::double precision end as candidate_litres
    from {{ ref('measured_intervals') }} as measured_intervals
    order by plate, is_counted

)

-- The samples are the same for the whole block, so its first fill alone carries them.
select
    blocks.*,
    {% for name, (value, condition) in samples.items() %}
        case
            when fills_before = block
                then array_agg({{ value }}) filter (where {{ condition }}) over previous_blocks
        end as sample_{{ name }},
    {% endfor %}
    fills_before = block as starts_block
from blocks
window
    previous_blocks as (
        partition by plate, is_counted
        order by block
        range between {{ economy.baseline_fills }} preceding and 1 preceding
    )
order by plate, is_counted, block
