-- Fills in whose text no number plate was found.
select * from ({{ recent_fills() }}) as fills
where plate is null
