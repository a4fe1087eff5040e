{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}

with loads as (

    select * from {{ source('fuel', 'loads') }}

),

load_rejects as (

    select * from {{ source('fuel', 'load_rejects') }}

),

records_raw as (

    select * from {{ source('fuel', 'records_raw') }}

),

-- Looked up in three places, each by an index: as one CTE PostgreSQL would copy the whole table first.
records as not materialized (

    select * from {{ ref('records') }}

),

fill_intervals as (

    select * from {{ ref('fill_intervals') }}

),

last_build as (

    select
        max(started_at) as started_at,
        max(finished_at) as finished_at,
        coalesce((array_agg(
            seeds_refused
            order by started_at desc
        ))[1], 0) as seeds_refused
    from {{ ref('builds') }}
    where status = 'success'

),

-- checked_at moves on while the feed brings nothing new.
load_times as (

    select moments.loaded_at
    from loads
    cross join lateral (values (loads.finished_at), (loads.checked_at)) as moments (loaded_at)
    where loads.status = 'applied'

),

last_load as (

    select
        max(load_times.loaded_at) as finished_at,
        max(load_times.loaded_at) filter (where load_times.loaded_at <= last_build.started_at)
        as built_finished_at
    from load_times
    cross join last_build

),

loads_of_24_hours as (

    select * from loads
    where started_at > now() - interval '24 hours'

),

-- By the exporter's clock. An export loaded by hand, or dated ahead, does not show that the exporter lives.
newest_export as (

    select max(exported_at) as exported_at
    from {{ source('fuel', 'exports') }}
    where
        status = 'applied'
        and mode in ('snapshot', 'changes')
        and exported_at <= now() + interval '15 minutes'

),

watermarks as (

    select coalesce(max(watermark) > now() + interval '15 minutes', false) as is_ahead
    from {{ source('fuel', 'ingest_state') }}

),

-- A build that stops between its steps leaves one table behind the other. `least` would pass over a null.
taken_up as (

    select
        least(
            coalesce((select max(records.load_id) from records), -1),
            coalesce((select max(fill_intervals.load_id) from fill_intervals), -1)
        ) as load_id

),

-- Through the index on load_id: cost follows what is waiting.
waiting as (

    select count(*) as rows_waiting
    from records_raw
    where load_id > (select taken_up.load_id from taken_up)

),

-- The rows of v_unmapped_values, counted without their fills: to add these up takes seconds.
unmapped as (

    select count(*) as unmapped_spellings
    from (
        select 1
        from ({{ all_unmapped_spellings() }}) as spellings
        group by {{ line_of_spelling() }}
    ) as lines

),

readable as (

    {{ readable_share('records', 30) }}

)

select
    last_load.finished_at as last_load_at,
    last_build.finished_at as last_build_at,
    round(extract(epoch from now() - last_load.built_finished_at) / 60)::bigint as lag_minutes,
    (
        -- The same record may be bad in the snapshot and in a delta.
        select count(distinct coalesce('id ' || load_rejects.id, md5(load_rejects.original)))
        from load_rejects
        where load_rejects.last_met_at > now() - interval '24 hours' and load_rejects.reason <> 'sanitised'
    ) as rejects_24h,
    (
        select count(distinct loads_of_24_hours.object_key)
        from loads_of_24_hours
        where loads_of_24_hours.status = 'refused'
    ) as refused_objects_24h,
    waiting.rows_waiting,
    unmapped.unmapped_spellings,
    round(readable.readable_share, 4)::numeric(5, 4) as readable_share_30d,
    newest_export.exported_at as newest_export_at,
    round(extract(epoch from now() - newest_export.exported_at) / 60)::bigint as newest_export_age_minutes,
    coalesce(
        newest_export.exported_at
        < now() - interval '{{ env_var('FUEL_EXPORT_MAX_MINUTES', '120') | int }} minutes',
        false
    ) as is_export_late,
    watermarks.is_ahead as is_watermark_ahead,
    last_build.seeds_refused
from last_load
cross join last_build
cross join waiting
cross join unmapped
cross join readable
cross join newest_export
cross join watermarks
