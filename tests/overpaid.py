"""Findings of the last days, whatever the hour: the demo's feed ends now, and may hold few of them."""

from __future__ import annotations

from tests.conftest import Database

# Fills of a vehicle of the tracker at KES 400 a litre, one on each of the last days.
OVERPAID = """
insert into fuel.records_raw (id, raw, raw_digest, load_id)
select 'overpaid ' || day, jsonb_build_object('id', 'overpaid ' || day, 'car', vehicle_number,
    'driver', 'J. Mwangi', 'department', 'Logistics', 'fuel_type', 'diesel', 'litres', 20, 'amount', 8000,
    'datetime', now() - day * interval '1 day', 'created_at', now() - day * interval '1 day'), '', load_id
from (select max(load_id) as load_id from fuel.loads) as loads
cross join (
    select min(vehicle_number) as vehicle_number from tracksolid.devices
    where vehicle_number ~ '^K[A-Z]{2} [0-9]{3}[A-Z]$'
) as devices
cross join generate_series(1, %s) as days (day)
"""


def put_overpaid(database: Database, fills: int) -> None:
    """Land so many fills that were paid too much."""
    database.query(OVERPAID, [fills])
