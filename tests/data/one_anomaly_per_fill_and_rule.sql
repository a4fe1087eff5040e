-- A fill has at most one finding of each rule. The last week, so that the cost does not follow history.
select
    id,
    rule
from {{ ref('v_fuel_anomalies') }}
where filled_at > now() - interval '7 days'
group by id, rule
having count(*) > 1
