-- What people typed in the fills of the last 24 hours that could not be read. Older fills were told when they were new.
select *
from {{ ref('v_unreadable_values') }}
where id in (select fills.id from ({{ recent_fills() }}) as fills)
