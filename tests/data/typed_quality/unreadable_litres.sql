-- Fills whose litres are missing, unreadable or not above zero.
select * from ({{ recent_fills() }}) as fills
where litres is null or litres <= 0
