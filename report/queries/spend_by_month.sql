-- Thirteen months: this one, as far as it has come, and the twelve before; each month's total first.
select
    month,
    case when grouping(department) = 1 then 'All departments' else coalesce(department, '(none given)') end
    as department,
    sum(fills)::bigint as fills,
    round(sum(amount_kes)) as amount_kes
from {reporting}.v_fuel_spend_monthly
where
    month between date_trunc('month', now() at time zone 'Africa/Nairobi') - interval '12 months'
    and date_trunc('month', now() at time zone 'Africa/Nairobi')
group by month, rollup (department)
order by month desc, grouping(department) desc, amount_kes desc, department asc
