-- This month so far, the same days of last month, and where the month may end.
select
    coalesce(department, '(none given)') as department,
    month_to_date_kes,
    same_days_last_month_kes,
    last_month_kes,
    forecast_kes,
    budget_kes
from {reporting}.v_fuel_spend_to_date
order by month_to_date_kes desc nulls last, department asc
