{# Through the index on filled_at. #}
{% macro readable_share(records, days) %}
    select
        avg(
            (
                plate is not null
                and department is not null
                and fuel_type is not null
                and litres is not null
                and amount_kes is not null
                and odometer_km is not null
                and filled_at is not null
                and (filled_at_source is distinct from 'reported' or filled_at_typed is not null)
            )::int
        ) as readable_share
    from (
        select *
        from {{ records }}
        where filled_at > now() - interval '{{ days }} days' and filled_at <= now()
        union all
        select *
        from {{ records }}
        where
            filled_at is null
            and coalesce(created_at, loaded_at) > now() - interval '{{ days }} days'
            and coalesce(created_at, loaded_at) <= now()
    ) as recent_fills
    where deleted_at is null and absent_since is null
{%- endmacro %}
