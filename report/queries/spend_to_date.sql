-- This month so far, the same days of last month, and where the month may end.
select
    coalesce(department, '(none given)') as department,
    round(month_to_date_kes) as month_to_date_kes,
    round(same_days_last_month_kes) as same_days_last_month_kes,
    round(last_month_kes) as last_month_kes,
    round(forecast_kes) as forecast_kes,
    round(budget_kes) as budget_kes
from {reporting}.v_fuel_spend_to_date
order by v_fuel_spend_to_date.month_to_date_kes desc nulls last, department asc
