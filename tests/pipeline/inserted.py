"""Generated fills put straight into `fuel.records`: deriving it is not what is tested with them."""

from __future__ import annotations

from typing import Any

import psycopg

from .histories import Fill, Vehicle


def insert_fills(conn: psycopg.Connection[Any], fills: list[Fill], load_id: int = 1) -> None:
    """Put fills into `fuel.records`, which must exist."""
    columns = (
        "id, plate, filled_at, filled_at_source, filled_at_typed, has_time, created_at, fuel_type_raw,"
        " fuel_type, litres, amount_kes, price_per_litre_kes, odometer_km, department, load_id, loaded_at,"
        " derivation"
    )
    with conn.cursor().copy(f"copy fuel.records ({columns}) from stdin") as copy:
        for fill in fills:
            price = None
            if fill.amount_kes is not None and fill.litres is not None and fill.litres > 0:
                price = round(fill.amount_kes / fill.litres, 4)
            copy.write_row(
                (
                    *(fill.id, fill.plate, fill.filled_at, "reported" if fill.typed_at else "typed"),
                    *(fill.typed_at or fill.filled_at, True, fill.filled_at, fill.fuel_type, fill.fuel_type),
                    *(fill.litres, fill.amount_kes, price, fill.odometer_km, fill.department),
                    *(load_id, fill.filled_at, "generated"),
                )
            )


def insert_all(
    conn: psycopg.Connection[Any], fleet: list[Vehicle], fills: list[Fill], mess: dict[str, list[Fill]]
) -> None:
    """Put the fills of a fleet and of those with a fault into `fuel.records`; vehicles get trackers."""
    messy_fills = [fill for of_fault in mess.values() for fill in of_fault]
    insert_fills(conn, fills + messy_fills)
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into tracksolid.devices (imei, vehicle_number, cost_centre, assigned_city, is_active)"
            " values (%s, %s, 'CC', 'Nairobi', true)",
            [
                (f"imei {plate}", plate)
                for plate in {vehicle.plate for vehicle in fleet} | {fill.plate for fill in messy_fills}
            ],
        )
