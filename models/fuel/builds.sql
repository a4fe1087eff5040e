{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        on_schema_change='append_new_columns',
        indexes=[{'columns': ['started_at']}],
    )
}}

-- The run notes itself here when it begins; the hook record_build completes the row when it ends.
select
    '{{ invocation_id }}'::text as invocation_id,
    '{{ run_started_at }}'::timestamptz as started_at,
    null::timestamptz as finished_at,
    'running'::text as status,
    null::integer as failed,
    null::integer as warned,
    null::bigint as records_written,
    (select max(loads.load_id) from {{ source('fuel', 'loads') }} as loads) as load_id,
    0 as seeds_refused
