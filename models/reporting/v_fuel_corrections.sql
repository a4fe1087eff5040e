{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}
{%- set columns = ['plate', 'litres', 'amount_kes', 'odometer_km', 'filled_at', 'deleted_at'] %}
{%- for field in shown_alias_lists() %}
    {%- do columns.append(field ~ '_raw') %}
{%- endfor %}

with replaced_versions as (

    -- Each version that was replaced, and beside it the one that then stood in its place: a later version, or
    -- the newest. A condition on changed_at reaches its index: the cost follows the changes of those days.
    select
        replaced.id,
        newest.plate,
        {%- for column in columns %}
            replaced.{{ column }} as {{ column }}_before,
            case when later.id is null then newest.{{ column }} else later.{{ column }} end
            as {{ column }}_after,
        {%- endfor %}
        replaced.replaced_at as changed_at
    from {{ ref('read_versions') }} as replaced
    inner join {{ ref('records') }} as newest on replaced.id = newest.id
    left join lateral (
        select *
        from {{ ref('read_versions') }} as next_version
        where
            next_version.id = replaced.id
            and next_version.replaced_by_load_id > replaced.replaced_by_load_id
        order by next_version.replaced_by_load_id asc
        limit 1
    ) as later on true

),

changed_values as (

    -- The KES are those that the change adds to spend.
    select
        replaced_versions.id,
        replaced_versions.plate,
        replaced_versions.changed_at,
        replaced_versions.filled_at_before as filled_at,
        changed.*
    from replaced_versions
    cross join
        lateral (
            values
            ('plate', plate_before, plate_after, null::numeric),
            {%- for field in shown_alias_lists() %}
                (
                    '{{ field }}',
                    {{ canonical_value_of_records(field, field ~ '_raw_before') }},
                    {{ canonical_value_of_records(field, field ~ '_raw_after') }},
                    null
                ),
            {%- endfor %}
            ('litres', trim_scale(litres_before)::text, trim_scale(litres_after)::text, null),
            (
                'amount_kes', trim_scale(amount_kes_before)::text, trim_scale(amount_kes_after)::text,
                case
                    when deleted_at_before is null and deleted_at_after is null
                        then coalesce(amount_kes_after, 0) - coalesce(amount_kes_before, 0)
                end
            ),
            ('odometer_km', trim_scale(odometer_km_before)::text, trim_scale(odometer_km_after)::text, null),
            (
                'filled_at',
                to_char(filled_at_before at time zone 'Africa/Nairobi', 'YYYY-MM-DD HH24:MI'),
                to_char(filled_at_after at time zone 'Africa/Nairobi', 'YYYY-MM-DD HH24:MI'),
                null
            ),
            (
                'deleted', (deleted_at_before is not null)::text, (deleted_at_after is not null)::text,
                case when deleted_at_after is null then coalesce(amount_kes_after, 0) else 0 end
                - case when deleted_at_before is null then coalesce(amount_kes_before, 0) else 0 end
            )
        ) as changed (field, value_before, value_after, kes_difference)
    where
        changed.value_before is distinct from changed.value_after
        -- Nobody reports what was deleted.
        and (replaced_versions.deleted_at_before is null or replaced_versions.deleted_at_after is null)
    union all
    -- A record that a snapshot no longer held was deleted at its source, and nobody said so.
    select
        records.id,
        records.plate,
        loads.finished_at as changed_at,
        records.filled_at,
        'deleted' as field,
        'false' as value_before,
        'true' as value_after,
        -coalesce(records.amount_kes, 0) as kes_difference
    from {{ source('fuel', 'loads') }} as loads
    inner join {{ ref('records') }} as records on loads.load_id = records.load_id
    where loads.absent > 0 and records.absent_since is not null and records.deleted_at is null

)

select
    id,
    plate,
    field,
    value_before,
    value_after,
    changed_at,
    filled_at,
    (changed_at at time zone 'Africa/Nairobi')::date - (filled_at at time zone 'Africa/Nairobi')::date
    as days_after_fill,
    kes_difference::numeric(14, 2) as kes_difference
from changed_values
