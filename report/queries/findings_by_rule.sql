-- Open findings of 90 days, the weightiest rules first.
select
    rule,
    severity,
    count(*) as findings,
    round(sum(kes_at_risk)) as at_risk_kes
from {reporting}.v_fuel_anomalies
where status = 'open' and filled_at between now() - interval '90 days' and now()
group by rule, severity
order by array_position(array['high', 'medium', 'low'], severity) asc, at_risk_kes desc nulls last, rule asc
