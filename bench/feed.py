"""A seeded feed of any size: fills of BENCH_N / 200 vehicles over 14 months, as messy as the real one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from demo.fleet import price_cap

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
DEPARTMENTS = (
    "Logistics", "logistics", "Logistcs", "LOGISTICS ", "Sales", "sales", "Sales Dept", "Maintenance",
    "maintainance", "Administration", "admin", "Admin.", "Security", "security", "Finance", "finance",
)  # fmt: skip
RARE_DEPARTMENT = "Bench Rare Dept"  # on 1 % of the records: the alias edit that the bench makes
FUEL_TYPES = ("Diesel", "diesel", "DISIEL", "DIESEL ", "AGO", "Petrol", "petrol", "PETROL", "super")
DIESELS = 5
# Recent, so that views of the last days have rows; the hours after it are none of the future yet.
END = datetime.combine(datetime.now(UTC).date(), datetime.min.time()) - timedelta(days=2)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def records(count: int) -> Iterator[dict[str, Any]]:
    """`count` fills, in order of time, each vehicle driving and writing its own way."""
    rng = random.Random(1)
    vehicles = max(count // 200, 1)
    step = timedelta(days=425) / max(count, 1)
    fleet = [
        {
            "plate": f"K{LETTERS[n // 5000 % 24]}{LETTERS[n // 200 % 24]} {100 + n % 900}{LETTERS[n % 24]}",
            "odometer": rng.randrange(5_000, 300_000),
            "km_per_litre": rng.uniform(5, 14),
            "litres": rng.uniform(35, 90),
            "fuel": rng.randrange(len(FUEL_TYPES)),
            "department": rng.randrange(len(DEPARTMENTS)),
        }
        for n in range(vehicles)
    ]
    start = END - timedelta(days=425)
    for n in range(count):
        vehicle = fleet[rng.randrange(vehicles)]
        litres = round(vehicle["litres"] * rng.uniform(0.7, 1.1), 2)
        vehicle["odometer"] += int(litres * vehicle["km_per_litre"] * rng.uniform(0.9, 1.1))
        filled = start + step * n
        price = float(price_cap("diesel" if vehicle["fuel"] < DIESELS else "petrol", filled.date()))
        amount = round(litres * price * rng.uniform(0.9, 1.0))
        plate: str = vehicle["plate"]
        odometer: int = vehicle["odometer"]
        style = rng.randrange(8)
        department = DEPARTMENTS[vehicle["department"]]
        if rng.random() < 0.3:
            department = DEPARTMENTS[rng.randrange(len(DEPARTMENTS))]
        if n % 100 == 0:
            department = RARE_DEPARTMENT
        stamp = _iso(filled + timedelta(minutes=3))
        yield {
            "id": 1 + n,
            "car": plate if style < 5 else plate.replace(" ", "") if style < 7 else plate.lower(),
            "driver": f"Driver {vehicle['odometer'] % 900}",
            "department": department,
            "fuel_type": FUEL_TYPES[vehicle["fuel"]],
            "litres": litres if style < 3 else f"{litres}L",
            "amount": amount if style < 4 else f"KES {amount:,}",
            "odometer": odometer if style < 5 else f"{odometer:,} km",
            "datetime": _iso(filled),
            "created_at": stamp,
            "updated_at": stamp,
            "deleted_at": None,
            "message": f"fuel update {plate} {litres}l {amount}",
        }


def devices(fills: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """The tracker's device of each vehicle: imei, plate, cost centre and city."""
    plates = sorted({fill["car"].upper().replace(" ", "") for fill in fills})
    cities = ("Nairobi", "Mombasa", "Kisumu", "Nakuru")
    return [(f"{n:015d}", plate, f"CC{n % 12:02d}", cities[n % 4]) for n, plate in enumerate(plates)]


def edited(record: dict[str, Any], hours: int = 1) -> dict[str, Any]:
    """The same record after an edit at its source: another amount, a later `updated_at`."""
    moment = END + timedelta(hours=hours)
    return {**record, "amount": f"KES {record['id'] % 9000 + 1000:,}", "updated_at": _iso(moment)}


def envelope(items: list[dict[str, Any]], hour: int = 0) -> bytes:
    """The exported object: metadata and records."""
    metadata = {"exported_at": _iso(END + timedelta(hours=hour)), "record_count": len(items)}
    return msgspec.json.encode({"metadata": metadata, "records": items})
