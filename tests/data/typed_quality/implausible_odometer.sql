-- Fills with an odometer reading that no vehicle has. A missing reading is common and no finding.
select * from ({{ recent_fills() }}) as fills
where odometer_km <= 0 or odometer_km > 2000000
