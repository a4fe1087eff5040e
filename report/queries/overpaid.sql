-- Paid above the regulated maximum in 30 days, by department.
select
    coalesce(department, '(none given)') as department,
    count(*) as fills_above,
    round(sum(overpaid_kes)) as overpaid_kes
from {reporting}.v_fuel_fills
where overpaid_kes > 0 and filled_at between now() - interval '30 days' and now()
group by department
order by overpaid_kes desc, department asc
