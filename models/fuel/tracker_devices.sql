{{ config(materialized='table') }}
select distinct on ({{ norm_plate('vehicle_number') }}) {{ norm_plate('vehicle_number') }} as plate, imei, cost_centre, assigned_city
from {{ source('tracksolid', 'devices') }}
where {{ norm_plate('vehicle_number') }} is not null
order by {{ norm_plate('vehicle_number') }}, is_active desc, updated_at desc
