-- The costliest spellings that wait for a line in an alias list.
select
    field,
    spelling,
    occurrences as fills,
    amount_kes,
    csv_line
from {reporting}.v_unmapped_values
order by amount_kes desc nulls last, field asc, spelling asc
limit 10
