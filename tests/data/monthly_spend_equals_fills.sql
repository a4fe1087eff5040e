-- Every fill that counts as spend is in exactly one row of the monthly report: counts, litres and money agree
-- to the cent.
-- This month and the last, so that the cost of a build does not follow history; pytest compares all of it.
{% set first_month = "date_trunc('month', now() at time zone 'Africa/Nairobi')::date - interval '1 month'" %}

with monthly as (

    select
        coalesce(sum(fills), 0) as fills,
        coalesce(sum(litres), 0) as litres,
        coalesce(sum(amount_kes), 0) as amount_kes
    from {{ ref('v_fuel_spend_monthly') }}
    where month >= {{ first_month }}

),

single_fills as (

    select
        count(*) as fills,
        coalesce(sum(litres), 0) as litres,
        coalesce(sum(amount_kes), 0) as amount_kes
    from {{ ref('v_fuel_fills') }}
    where counts_as_spend and filled_at >= ({{ first_month }}) at time zone 'Africa/Nairobi'

)

select
    monthly.fills as monthly_fills,
    single_fills.fills,
    monthly.litres as monthly_litres,
    single_fills.litres,
    monthly.amount_kes as monthly_amount_kes,
    single_fills.amount_kes
from monthly
cross join single_fills
where
    monthly.fills <> single_fills.fills
    or monthly.litres <> single_fills.litres
    or monthly.amount_kes <> single_fills.amount_kes
