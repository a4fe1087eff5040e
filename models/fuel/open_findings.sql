{{
    config(
        materialized='incremental',
        incremental_strategy='mirror',
        unique_key='plate',
        full_refresh=false,
        on_schema_change='append_new_columns',
    )
}}

-- Counted by the build, so that a reader of the vehicles need not wait until all rules have been tried:
-- planning that alone takes longer than reading one vehicle may.
select
    plate,
    count(*) as open_findings_30d
from {{ ref('v_fuel_anomalies') }}
where
    status = 'open'
    and plate is not null
    and filled_at >= {{ nairobi_midnight(nairobi_today() ~ ' - 29') }}
    and filled_at < {{ nairobi_midnight(nairobi_today() ~ ' + 1') }}
group by plate
