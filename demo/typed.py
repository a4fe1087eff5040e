"""A fill as people type it, and the values that are in it."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from demo.fleet import NAIROBI, Fill, spaced

# Thirty spellings, each with the department it means. Those that no alias covers are kept, tidied.
DEPARTMENTS: dict[str, list[str]] = {
    "Logistics": ["Logistics", "LOGISTICS", "logistics ", "Logistcs", "Logistic", "Dispatch"],
    "Sales": ["Sales", "SALES", "sales", "Sale"],
    "Field Operations": ["Field Operations", "operations", "Ops", "Feild  Operations"],
    "Maintenance": ["Maintenance", "maintenance", "Maintainance", "MAINTENANCE"],
    "Security": ["Security", "SECURITY", "security", "Securty"],
    "Administration": ["Administration", "Admin", "ADMIN.", "administration"],
    "Cold Room": ["cold  room"],
    "Flower Project": ["FLOWER PROJECT"],
    "Logistcis": ["Logistcis"],
    "Sales Dept": ["sales dept"],
}
UNMAPPED_DEPARTMENTS = ("Cold Room", "Flower Project", "Logistcis", "Sales Dept")
FUEL_TYPES: dict[str | None, list[str]] = {
    "diesel": ["DIESEL", "Diesel", "diesel", "DISIEL", "Disel", "diesel "],
    "petrol": ["PETROL", "Petrol", "petrol", "Petrl", "super"],
    None: ["the usual"],
}


@dataclass(frozen=True)
class Truth:
    """The values `fuel.records` must hold for one id: its columns of the same names."""

    id: str
    car: str | None
    plate: str | None
    driver: str | None
    department_raw: str | None
    department: str | None
    fuel_type_raw: str | None
    fuel_type: str | None
    litres: Decimal | None
    amount_kes: Decimal | None
    price_per_litre_kes: Decimal | None
    odometer_km: Decimal | None
    filled_at: datetime | None
    filled_at_source: str | None
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None


def _car(rng: random.Random, plate: str) -> str:
    with_blank = spaced(plate)
    marks = (" ", " ", " ", " ", "", "", "-", ".", "  ", "\u00a0", "\u202f", "\u200b", " \u200e")
    ways = [with_blank.replace(" ", mark) for mark in marks]
    ways += [f" {with_blank} ", with_blank.lower(), plate.lower(), with_blank.lower().replace(" ", "-")]
    ways.append("".join(chr(ord(char) + 0xFEE0) for char in plate))  # full-width
    if plate[0] == "K" and len(plate) == 7:
        ways += [
            f"{with_blank} (Isuzu)",
            f"{plate} John",
            f"{with_blank}/ZC 1234",
            f"{plate[:3]} {plate[3:6].replace('0', 'O')}{plate[6]}",
        ]
    return rng.choice(ways)


def _number(rng: random.Random, value: Decimal | None, ways: Sequence[Callable[[Decimal], Any]]) -> Any:
    if value is None:
        return rng.choice([None, None, ""])
    # A sign is typed before the figure and nothing else.
    return str(value) if value < 0 else rng.choice(ways)(value)


def _as_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _grouped(value: Decimal, mark: str = ",") -> str:
    return f"{value:,}".replace(",", mark)


def _amount_k(value: Decimal) -> str:
    return f"{int(value / 1000)}k" if value % 1000 == 0 else f"KES {_grouped(value)}"


LITRES: list[Callable[[Decimal], Any]] = [
    *(_as_number, _as_number, str),
    *(lambda v: f"{v:.3f}", lambda v: f"{v}L", lambda v: f"{v} l"),
    *(lambda v: f"{v} Litres", lambda v: f"{v}ltrs", lambda v: f" {v} "),
]
AMOUNT: list[Callable[[Decimal], Any]] = [
    *(_as_number, _as_number, str, _grouped, _amount_k),
    *(lambda v: f"{v:.2f}", lambda v: f"KES {_grouped(v)}", lambda v: f"Ksh {v}/="),
    *(lambda v: f"{_grouped(v)}/=", lambda v: f"KES{v}", lambda v: f"kes {v:,.2f}"),
    *(lambda v: _grouped(v, " "),),
]
ODOMETER: list[Callable[[Decimal], Any]] = [
    *(_as_number, _as_number, str, _grouped),
    *(lambda v: f"{_grouped(v)} km", lambda v: f"{v}km", lambda v: f"{v} KM"),
    *(lambda v: _grouped(v, " "), lambda v: _grouped(v, "\u00a0"), lambda v: f"{v}.0"),
]


def iso(when: datetime) -> str:
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


FILLED_AT: list[Callable[[datetime], Any]] = [
    iso, iso, iso, iso,
    lambda when: when.astimezone(NAIROBI).isoformat(),
    lambda when: f"{when.astimezone(NAIROBI):%Y-%m-%dT%H:%M:%S}",
    lambda when: f"{when.astimezone(NAIROBI):%Y-%m-%d %H:%M}",
    lambda when: f"{when.astimezone(NAIROBI):%d/%m/%Y %H:%M}",
    lambda when: int(when.timestamp()),
    lambda when: int(when.timestamp() * 1000),
    lambda when: str(int(when.timestamp() * 1000)),
]  # fmt: skip


def write(rng: random.Random, fill: Fill) -> tuple[dict[str, Any], Truth]:
    """One version of a record as exported, and the truth about it. Evidence is never typed unreadably."""
    vehicle = fill.vehicle
    department: str | None = rng.choice(UNMAPPED_DEPARTMENTS) if rng.random() < 0.02 else vehicle.department
    department_raw: str | None = rng.choice(DEPARTMENTS[department or ""])
    if rng.random() < 0.01:
        department, department_raw = None, rng.choice([None, "", "  "])
    fuel_type: str | None = None if rng.random() < 0.01 and not fill.evidence else fill.fuel_type
    fuel_type_raw = rng.choice(FUEL_TYPES[fuel_type])
    plate: str | None = vehicle.plate
    car: str | None = _car(rng, vehicle.plate)
    if rng.random() < 0.005 and not fill.evidence:
        plate, car = None, rng.choice([None, "", "-"])
    litres = _number(rng, fill.litres, LITRES)
    message = (
        f"fuel update {car} {litres} {fill.amount_kes} {fill.odometer_km} {vehicle.driver} {vehicle.phone}"
    )
    raw: dict[str, Any] = {
        "id": fill.id if rng.random() < 0.9 else str(fill.id),
        "car": car,
        "driver": vehicle.driver if rng.random() < 0.99 else f"{vehicle.driver} {vehicle.phone}",
        "department": department_raw,
        "fuel_type": fuel_type_raw,
        "litres": litres,
        "amount": _number(rng, fill.amount_kes, AMOUNT),
        "odometer": _number(rng, fill.odometer_km, ODOMETER),
        "datetime": rng.choice(FILLED_AT)(fill.typed_at or fill.filled_at),
        "created_at": iso(fill.created_at),
        "updated_at": iso(fill.updated_at),
        "deleted_at": fill.deleted_at and iso(fill.deleted_at),
        "message": message,
        "sender": f"+254{vehicle.phone[1:]}@s.whatsapp.net",
    }
    if rng.random() < 0.03:  # an older form of the export
        raw = {
            {"car": "vehicle", "amount": "cost", "odometer": "mileage", "datetime": "date"}.get(
                key, key
            ): value
            for key, value in raw.items()
        }
    if rng.random() < 0.02:
        raw = {**raw, "litres": "", "quantity": litres}
    price = fill.amount_kes / fill.litres if fill.amount_kes and fill.litres and fill.litres > 0 else None
    return raw, Truth(
        id=str(fill.id),
        car=_trimmed(_plain(car)),
        plate=plate,
        driver=vehicle.driver,
        department_raw=_trimmed(department_raw),
        department=department,
        fuel_type_raw=_trimmed(fuel_type_raw),
        fuel_type=fuel_type,
        litres=fill.litres,
        amount_kes=fill.amount_kes,
        price_per_litre_kes=price and price.quantize(Decimal("0.0001"), ROUND_HALF_UP),
        odometer_km=fill.odometer_km,
        # A time that cannot be right is not believed.
        filled_at=fill.created_at if fill.typed_at else fill.filled_at,
        filled_at_source="reported" if fill.typed_at else "typed",
        created_at=fill.created_at,
        updated_at=fill.updated_at,
        deleted_at=fill.deleted_at,
    )


def _plain(text: str | None) -> str:
    """Full-width letters and odd blanks as plain ones, and nothing that cannot be seen."""
    return re.sub("[\u200b-\u200f\u202a-\u202e]", "", unicodedata.normalize("NFKC", text or ""))


def _trimmed(text: str | None) -> str | None:
    return (text or "").strip(" ") or None
