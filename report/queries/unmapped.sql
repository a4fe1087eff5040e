-- The costliest spellings of each list that wait for a line in it.
select
    field,
    spelling,
    occurrences as fills,
    round(amount_kes) as amount_kes,
    csv_line
from (
    select
        *,
        row_number() over (partition by field order by v_unmapped_values.amount_kes desc nulls last, spelling asc) as place
    from {reporting}.v_unmapped_values
) as spellings
where place <= 5
order by field asc, place asc
