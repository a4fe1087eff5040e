{{ config(materialized='stable_view', grants={'select': var('reader_roles')}) }}
{%- set today = nairobi_today() %}
{%- set this_month = "date_trunc('month', " ~ today ~ "::timestamp)" %}
{%- set average_days = 28 %}

with calendar as (

    -- A month of 30 days is compared with the first 30 of a longer one, and with all of a shorter one.
    select
        today,
        this_month,
        last_month,
        least(last_month + (today - this_month), this_month - 1) as same_day_last_month,
        (this_month + interval '1 month')::date - 1 - today as days_left,
        -- A fleet that has reported for a week has the average of a week.
        nullif(least({{ average_days }}, today - (
            select (earliest.filled_at at time zone 'Africa/Nairobi')::date
            from {{ ref('v_fuel_fills') }} as earliest
            where earliest.filled_at is not null
            order by earliest.filled_at asc
            limit 1
        )), 0) as days_of_average
    from (
        select
            {{ today }} as today,
            {{ this_month }}::date as this_month,
            ({{ this_month }} - interval '1 month')::date as last_month
    ) as dates

),

-- Fills of two months and of one a year ago, through the index on the time. None dated after today counts.
-- Only columns of version 0.1 are read: it could not take a newer one back from v_fuel_fills while this view
-- reads it.
fills as (

    {% for first_day, day_after in [
        (this_month ~ " - interval '1 month'", today ~ ' + 1'),
        (this_month ~ " - interval '1 year'", this_month ~ " - interval '11 months'"),
    ] -%}
        select
            department,
            (filled_at at time zone 'Africa/Nairobi')::date as filled_on,
            fuel_type,
            amount_kes
        from {{ ref('v_fuel_fills') }} as v_fuel_fills
        where
            {{ counts_as_spend('v_fuel_fills.id') }}
            and filled_at >= {{ nairobi_midnight(first_day) }}
            and filled_at < {{ nairobi_midnight(day_after) }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

dated_fills as (

    select
        fills.*,
        calendar.*
    from fills
    cross join calendar

),

spend as (

    select
        department,
        count(*) filter (where filled_on >= this_month) as month_to_date_fills,
        sum(amount_kes) filter (where filled_on >= this_month) as month_to_date_kes,
        sum(amount_kes) filter (where filled_on >= this_month and fuel_type = 'not_fuel')
        as month_to_date_not_fuel_kes,
        sum(amount_kes) filter (where filled_on = today) as today_kes,
        sum(amount_kes) filter (where filled_on between last_month and same_day_last_month)
        as same_days_last_month_kes,
        sum(amount_kes) filter (where filled_on between last_month and this_month - 1) as last_month_kes,
        sum(amount_kes) filter (where filled_on < last_month) as same_month_last_year_kes,
        sum(amount_kes) filter (where filled_on between today - {{ average_days }} and today - 1)
        as days_of_average_kes
    from dated_fills
    group by department

),

budgets as (

    -- The last line of each department that holds in this month; 0 ends a budget.
    select distinct on (department)
        department,
        nullif(budget_kes, 0) as budget_kes
    from {{ ref('department_budgets') }}
    where valid_from < {{ this_month }} + interval '1 month'
    order by department asc, valid_from desc

)

select
    calendar.this_month as month,
    calendar.today as as_of,
    coalesce(spend.department, budgets.department) as department,
    coalesce(spend.month_to_date_fills, 0) as month_to_date_fills,
    coalesce(spend.month_to_date_kes, 0)::numeric(18, 2) as month_to_date_kes,
    coalesce(spend.same_days_last_month_kes, 0)::numeric(18, 2) as same_days_last_month_kes,
    coalesce(spend.last_month_kes, 0)::numeric(18, 2) as last_month_kes,
    coalesce(spend.same_month_last_year_kes, 0)::numeric(18, 2) as same_month_last_year_kes,
    -- Today is expected to reach the average at least, and each day after it to reach it.
    round(
        coalesce(spend.month_to_date_kes, 0) - coalesce(spend.today_kes, 0)
        + greatest(spend.today_kes, coalesce(spend.days_of_average_kes, 0) / calendar.days_of_average)
        + calendar.days_left * coalesce(spend.days_of_average_kes, 0) / calendar.days_of_average, 2
    )::numeric(18, 2) as forecast_kes,
    budgets.budget_kes,
    coalesce(spend.month_to_date_not_fuel_kes, 0)::numeric(18, 2) as month_to_date_not_fuel_kes
from spend
full join budgets on spend.department = budgets.department
cross join calendar
