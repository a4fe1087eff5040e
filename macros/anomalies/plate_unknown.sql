{#- A plate that the tracker does not know: one finding for each plate, on its newest fill. -#}
{% macro anomaly_plate_unknown() -%}
    {%- set found -%}
        not is_tracked and has_tracker
        and not exists (
            select 1
            from fill_intervals as later_fill
            where
                later_fill.plate = fill.plate
                and (later_fill.filled_at, later_fill.id) > (fill.filled_at, fill.id)
                and later_fill.exclusion_reason is distinct from 'not_live'
        )
    {%- endset -%}
    {#- A plate one slip of the finger away may be the one that was meant, and is a real vehicle all the same. -#}
    {%- set looked_up -%}
        (
            select
                count(*) as fills,
                sum(of_plate.amount_kes) as amount_kes,
                (
                    select min(device.plate)
                    from tracker_devices as device
                    where
                        case
                            when
                                left(device.plate, 3) = left(fill.plate, 3)
                                or right(device.plate, 3) = right(fill.plate, 3)
                                then {{ one_slip_apart('device.plate', 'fill.plate') }}
                        end
                ) as similar_plate
            from fill_intervals as of_plate
            where
                of_plate.plate = fill.plate
                and of_plate.exclusion_reason is distinct from 'not_live'
        ) as seen
    {%- endset -%}
    {%- set explanation -%}
        concat(
            'The tracker knows no vehicle with the plate ', plate, ', of which ',
            case when seen.fills = 1 then '1 fill is' else {{ figure('seen.fills') }} || ' fills are' end,
            ' reported',
            ', KES ' || {{ figure('seen.amount_kes') }} || ' in all',
            '.',
            ' It knows ' || seen.similar_plate || ', which looks alike and may be another vehicle.'
        )
    {%- endset -%}
    {{ return({
        'found': 'plate is not null and filled_at is not null and ' ~ found,
        'looked_up': looked_up,
        'observed': 'plate',
        'expected': "'a plate of the tracker''s devices'",
        'kes_at_risk': 'amount_kes',
        'explanation': explanation,
        'key': 'plate',
    }) }}
{%- endmacro %}
