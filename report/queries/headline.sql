-- One row: how far the figures reach. No fill dated later than now counts.
select
    (now() at time zone 'Africa/Nairobi')::date as today,
    (
        select max(filled_at at time zone 'Africa/Nairobi')
        from {reporting}.v_fuel_fills
        where filled_at <= now()
    ) as newest_fill_at,
    last_load_at at time zone 'Africa/Nairobi' as last_load_at,
    last_build_at at time zone 'Africa/Nairobi' as last_build_at,
    rows_waiting,
    rejects_24h,
    refused_objects_24h,
    unmapped_spellings,
    readable_share_30d
from {reporting}.v_pipeline_health
