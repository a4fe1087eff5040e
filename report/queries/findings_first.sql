-- The ten open findings of 90 days to look at first: by severity, then by the money at risk.
select
    anomalies.rule,
    anomalies.severity,
    round(anomalies.kes_at_risk) as at_risk_kes,
    anomalies.plate,
    anomalies.filled_at at time zone 'Africa/Nairobi' as filled_at,
    fills.driver,
    anomalies.department,
    anomalies.id,
    anomalies.explanation,
    anomalies.csv_line
from {reporting}.v_fuel_anomalies as anomalies
left join {reporting}.v_fuel_fills as fills on anomalies.id = fills.id
where anomalies.status = 'open' and anomalies.filled_at between now() - interval '90 days' and now()
order by
    array_position(array['high', 'medium', 'low'], anomalies.severity) asc,
    anomalies.kes_at_risk desc nulls last,
    anomalies.id asc,
    anomalies.rule asc
limit 10
