-- A fill has at most one finding of each rule.
select
    id,
    rule
from {{ ref('v_fuel_anomalies') }}
group by id, rule
having count(*) > 1
