-- Fills whose time is missing, unreadable, or later than the load that brought them.
select * from ({{ recent_fills() }}) as fills
where filled_at is null or filled_at > loaded_at + interval '1 hour'
