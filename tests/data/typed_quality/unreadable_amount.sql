-- Fills whose amount is missing, unreadable or not above zero.
select * from ({{ recent_fills() }}) as fills
where amount_kes is null or amount_kes <= 0
