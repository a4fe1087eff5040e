"""The sample fleet: its vehicles, what they drive and buy, and the tracker that knows most of them."""

from __future__ import annotations

import csv
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from pathlib import Path

NAIROBI = timezone(timedelta(hours=3), "Africa/Nairobi")  # no daylight saving since 1960
PRICE_CAPS = Path(__file__).parent.parent / "seeds" / "fuel_price_caps.csv"
DAYS = 425
DEPARTMENTS = (
    "Logistics", "Sales", "Field Operations", "Maintenance", "Security", "Administration",
)  # fmt: skip
COST_CENTRES = ("CC-100 Distribution", "CC-200 Field", "CC-300 Head Office")
CITIES = ("Nairobi", "Mombasa", "Kisumu", "Nakuru", "Eldoret")
FIRST = ("J.", "Mary", "Peter", "A.", "Grace", "Joseph", "S.", "Faith", "Ali", "Wanjiru")
LAST = ("Mwangi", "Otieno", "Wambui", "Kiptoo", "Achieng", "Hassan", "Mutua", "Njoroge", "Chebet")


@dataclass(frozen=True)
class Vehicle:
    """A vehicle of the fleet: litres of tank, km per litre, and whose it is."""

    plate: str
    fuel_type: str
    tank_litres: float
    km_per_litre: float
    department: str
    driver: str
    phone: str


@dataclass(frozen=True)
class Fill:
    """The facts reported in one fill, before anybody's way of typing them; times in UTC."""

    id: int
    vehicle: Vehicle
    fuel_type: str
    litres: Decimal | None
    amount_kes: Decimal | None
    odometer_km: Decimal | None
    filled_at: datetime
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    planted: str | None = None
    typed_at: datetime | None = None  # what is typed as its time, where that is not filled_at
    evidence: bool = False  # an anomaly shows in it: the planted fill, or the one that it repeats


@dataclass(frozen=True)
class Device:
    """One row of the tracker's devices table."""

    imei: str
    vehicle_number: str | None
    cost_centre: str | None
    assigned_city: str | None
    is_active: bool
    updated_at: datetime


def new_fleet(rng: random.Random, count: int) -> list[Vehicle]:
    """`count` vehicles: cars, lorries, pick-ups and motorcycles."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # Kenyan plates hold neither I nor O
    kinds = [
        ("diesel", 80.0, 9.5),
        ("diesel", 200.0, 3.6),
        ("petrol", 50.0, 11.5),
        ("diesel", 70.0, 10.5),
        ("petrol", 12.0, 36.0),
    ]
    names = [f"{first} {last}" for first in FIRST for last in LAST]
    rng.shuffle(names)
    plates: set[str] = {"KCA542Q", "KCA543Q", "KBZ202J", "47CG456A", "GKB482T"}  # two neighbours among them
    while len(plates) < count:
        plates.add(
            f"K{rng.choice('BCD')}{rng.choice(letters)}{rng.randrange(100, 1000)}{rng.choice(letters)}"
        )
    fleet = []
    for index, plate in enumerate(sorted(plates)[:count]):
        fuel_type, tank, economy = kinds[index % len(kinds)]
        if fuel_type == "petrol" and tank < 20:  # a motorcycle
            plate = (
                f"KM{rng.choice('CDEFG')}{rng.choice(letters)}{rng.randrange(100, 1000)}{rng.choice(letters)}"
            )
        fleet.append(
            Vehicle(
                plate, fuel_type, tank, round(economy * rng.uniform(0.9, 1.1), 2),
                DEPARTMENTS[index % len(DEPARTMENTS)], names[index % len(names)],
                f"07{rng.randrange(10, 30)}{rng.randrange(10**6):06d}",
            )
        )  # fmt: skip
    return fleet


def share(total: int, parts: int, index: int) -> int:
    """The share of the part `index` in a total that is dealt out evenly."""
    return total // parts + (index < total % parts)


def drive(rng: random.Random, vehicle: Vehicle, until: datetime, count: int) -> list[Fill]:
    """`count` honest fills of one vehicle: about 60 % of a tank each, one in thirty followed by a top-up."""
    gaps = [rng.gammavariate(5, 1) for _ in range(count)]
    usual = sum(gaps) / max(count, 1)
    schedule = DAYS * 86_400 / (sum(gaps) + usual * rng.random()) if count else 0.0
    due = now = until - timedelta(days=DAYS)
    odometer, fills, top_up = float(rng.randrange(20_000, 250_000)), [], False
    for gap in gaps:
        due += timedelta(seconds=gap * schedule)
        if top_up:
            moved, wanted = rng.uniform(2, 9), vehicle.tank_litres * 0.12
            now += timedelta(minutes=rng.randrange(50, 180))
        else:
            share = min(0.6 * gap / usual * rng.uniform(0.85, 1.15), 0.95)
            moved = share * vehicle.tank_litres * vehicle.km_per_litre
            wanted = share * vehicle.tank_litres * rng.uniform(0.95, 1.05)
            now = max(_daytime(rng, due), now + timedelta(hours=14)).replace(second=0, microsecond=0)
        top_up = not top_up and rng.random() < 1 / 30
        if now > until - timedelta(minutes=50):  # shifted beyond the end
            now = min(due, until - timedelta(minutes=50)).replace(second=0, microsecond=0)
        odometer += moved
        litres, amount = _pay(rng, vehicle.fuel_type, max(wanted, 2), now)
        created = now + timedelta(minutes=rng.randrange(1, 25), seconds=rng.randrange(60))
        fills.append(
            Fill(
                0, vehicle, vehicle.fuel_type, litres, amount,
                None if rng.random() < 0.03 else Decimal(round(odometer)), now, created, created,
            )
        )  # fmt: skip
    return fills


def _daytime(rng: random.Random, when: datetime) -> datetime:
    """The nearest later moment at which a filling station in Nairobi is likely to serve a fleet."""
    local = when.astimezone(NAIROBI)
    if not 6 <= local.hour < 21:
        day = local if local.hour < 6 else local + timedelta(days=1)
        local = day.replace(hour=rng.randrange(6, 11), minute=rng.randrange(60))
    return local.astimezone(timezone.utc)


def _pay(rng: random.Random, fuel_type: str, wanted: float, when: datetime) -> tuple[Decimal, Decimal]:
    """Litres and KES of an honest fill: never above the regulated price of the day."""
    price = price_cap(fuel_type, when.astimezone(NAIROBI).date()) - Decimal(rng.randrange(0, 500)) / 100
    if rng.random() < 0.25:  # "fuel for 5,000 shillings"
        amount = max(Decimal(round(Decimal(wanted) * price / 500) * 500), Decimal(500))
        return (amount / price).quantize(Decimal("0.01"), ROUND_CEILING), amount
    litres = Decimal(wanted).quantize(Decimal(rng.choice(["1", "0.1", "0.01"])))
    return litres, (litres * price).quantize(Decimal(rng.choice(["1", "0.01"])), ROUND_FLOOR)


def price_cap(fuel_type: str, day: date) -> Decimal:
    """The regulated maximum in KES per litre on a day (the oldest known one for days before it)."""
    days, prices = _price_caps()[fuel_type]
    return prices[max(bisect_right(days, day) - 1, 0)]


@lru_cache
def _price_caps() -> dict[str, tuple[list[date], list[Decimal]]]:
    caps: dict[str, tuple[list[date], list[Decimal]]] = {}
    with PRICE_CAPS.open(newline="") as lines:
        for row in sorted(csv.DictReader(lines), key=lambda row: row["valid_from"]):
            if row.get("town"):
                continue
            days, prices = caps.setdefault(row["fuel_type"], ([], []))
            days.append(date.fromisoformat(row["valid_from"]))
            prices.append(Decimal(row["max_price_kes_per_litre"]))
    return caps


def devices(
    rng: random.Random, fleet: Sequence[Vehicle], until: datetime
) -> tuple[list[Device], dict[str, Device]]:
    """The tracker's rows (most vehicles, some twice, some rows useless), and which device wins per plate."""
    devices: list[Device] = []
    winners: dict[str, Device] = {}

    def add(plate: str | None, days_ago: int, *, active: bool = True) -> Device:
        index = len(devices)
        devices.append(
            Device(
                f"86{7_500_000_000_000 + index * 7919:013d}",
                plate,
                COST_CENTRES[index % 3] if index % 11 else None,
                CITIES[index % 5] if index % 13 else None,
                active,
                until - timedelta(days=days_ago, minutes=index),
            )
        )
        return devices[-1]

    spellings: list[Callable[[str], str]] = [
        str,
        str.lower,
        spaced,
        lambda plate: spaced(plate).replace(" ", "-"),
    ]
    for index, vehicle in enumerate(fleet):
        if index % 17 == 16:
            continue  # unknown to the tracker
        spelled = rng.choice(spellings)(vehicle.plate)
        if index % 8 == 3:  # a device that was taken out of service later than the present one reported
            add(spaced(vehicle.plate), 1, active=False)
        if index % 8 == 5:  # two active ones: the latest wins
            add(vehicle.plate, 300)
        winners[vehicle.plate] = add(spelled, 20)
    winners["KDZ909P"] = add("KDZ 909P", 15)  # nobody has fuelled it yet
    add(None, 5)
    add(None, 400, active=False)
    add("", 30)
    return devices, winners


def spaced(plate: str) -> str:
    """`KCA542Q` as on the vehicle: `KCA 542Q`."""
    at = next((i for i, char in enumerate(plate) if i > 1 and char.isdigit()), len(plate))
    return f"{plate[:at]} {plate[at:]}"
