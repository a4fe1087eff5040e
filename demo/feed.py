"""A seeded, realistic, messy sample feed together with the truth it was written from.

`generate()` first simulates an honest fleet (distances, tanks, consumption, regulated prices), plants a few
anomalies, and only then writes every fill the way people type it. So for each id the normalised values are
known without running any normaliser: `Feed.truth` is what `fuel.records` must hold after a load and a build.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

NAIROBI = timezone(timedelta(hours=3), "Africa/Nairobi")  # no daylight saving since 1960
SNAPSHOT_KEY = "fuel_records/latest.json"
CHANGES_PREFIX = "fuel_records/changes/"
PRICE_CAPS = Path(__file__).parent.parent / "seeds" / "fuel_price_caps.csv"
DELTA_HOURS = 24
DAYS = 425

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
    """What really was reported in one fill, before anybody's way of typing it; times in UTC."""

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
    evidence: bool = False  # an anomaly shows in it: the planted fill, or the one that it repeats


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
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True)
class Device:
    """One row of the tracker's devices table."""

    imei: str
    vehicle_number: str | None
    cost_centre: str | None
    assigned_city: str | None
    is_active: bool
    updated_at: datetime


@dataclass
class Feed:
    """The objects of a bucket and what must come of them.

    `objects` maps keys to bytes. `truth` maps every id that must land to its values, `device` each plate that
    the tracker knows to the device that wins. `refused` counts the items that must not land, `sanitised` are
    the ids that land with a replaced character, `planted` maps ids to the anomaly planted in them, `phones`
    are the drivers' numbers, which must never reach a report. `next_snapshot` is a later `latest.json`, from
    which the ids in `gone` were deleted at the source.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    truth: dict[str, Truth] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)
    device: dict[str, Device] = field(default_factory=dict)
    planted: dict[str, str] = field(default_factory=dict)
    sanitised: set[str] = field(default_factory=set)
    refused: int = 0
    phones: set[str] = field(default_factory=set)
    next_snapshot: bytes = b""
    gone: set[str] = field(default_factory=set)

    @property
    def deltas(self) -> list[str]:
        """The keys of the delta objects, oldest first."""
        return sorted(key for key in self.objects if key.startswith(CHANGES_PREFIX))


def generate(fills: int = 5000, *, until: datetime, vehicles: int = 40, seed: int = 7) -> Feed:
    """A feed of `fills` fills by `vehicles` vehicles in the 14 months up to `until` (aware).

    The same arguments give the same bytes.
    """
    rng = random.Random(seed)
    until = until.astimezone(timezone.utc).replace(minute=0, second=0, microsecond=0)
    fleet = _fleet(rng, vehicles)
    honest = [
        fill
        for index, vehicle in enumerate(fleet)
        for fill in _drive(rng, vehicle, until, _share(fills, vehicles, index))
    ]
    honest.sort(key=lambda fill: fill.created_at)
    numbered = [replace(fill, id=18_000 + number) for number, fill in enumerate(honest)]
    reported = _plant(rng, numbered, fleet)
    feed = Feed(phones={vehicle.phone for vehicle in fleet})
    feed.devices, feed.device = _devices(rng, fleet, until)
    feed.planted = {str(fill.id): fill.planted for fill in reported if fill.planted}
    _export(rng, feed, reported, until)
    return feed


# The fleet and its driving -------------------------------------------------------------------------


def _fleet(rng: random.Random, count: int) -> list[Vehicle]:
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # Kenyan plates hold neither I nor O
    kinds = [
        ("diesel", 80.0, 9.5),
        ("diesel", 200.0, 3.6),
        ("petrol", 50.0, 11.5),
        ("diesel", 70.0, 10.5),
        ("petrol", 12.0, 36.0),
    ]
    departments = [name for name in DEPARTMENTS if name not in UNMAPPED_DEPARTMENTS]
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
                departments[index % len(departments)], names[index % len(names)],
                f"07{rng.randrange(10, 30)}{rng.randrange(10**6):06d}",
            )
        )  # fmt: skip
    return fleet


def _share(total: int, parts: int, index: int) -> int:
    return total // parts + (index < total % parts)


def _drive(rng: random.Random, vehicle: Vehicle, until: datetime, count: int) -> list[Fill]:
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
            days, prices = caps.setdefault(row["fuel_type"], ([], []))
            days.append(date.fromisoformat(row["valid_from"]))
            prices.append(Decimal(row["max_price_kes_per_litre"]))
    return caps


# Planted anomalies ---------------------------------------------------------------------------------


def _plant(rng: random.Random, fills: list[Fill], fleet: Sequence[Vehicle]) -> list[Fill]:
    """Change or add a few fills, about one in 200 in all, each labelled with what was planted."""
    by_id = {fill.id: fill for fill in fills}
    free_id = max(by_id, default=18_000) + 1
    each = max(1, len(fills) // 1200)
    whole = [
        fill for fill in fills[len(fills) // 3 :] if fill.odometer_km and fill.litres and fill.amount_kes
    ]
    chosen = iter(rng.sample(whole, min(len(whole), 7 * each)))

    def plant(label: str, change: Callable[[Fill], dict[str, Any]], *, copy: bool = False) -> None:
        nonlocal free_id
        for _, fill in zip(range(each), chosen, strict=False):
            planted = replace(fill, **change(fill), planted=label, evidence=True)
            if copy:
                planted, free_id = replace(planted, id=free_id), free_id + 1
                by_id[fill.id] = replace(fill, evidence=True)
            by_id[planted.id] = planted

    def later(fill: Fill, minutes: int) -> dict[str, Any]:
        delay = timedelta(minutes=minutes)
        return {"created_at": fill.created_at + delay, "updated_at": fill.updated_at + delay}

    def typo(fill: Fill) -> dict[str, Any]:
        digits = str(fill.odometer_km)
        at = rng.randrange(1, len(digits))
        return {"odometer_km": Decimal(digits[:at] + digits[at - 1] + digits[at:])}

    def too_soon(fill: Fill) -> dict[str, Any]:
        assert fill.litres is not None
        return {
            **later(fill, 100),
            "filled_at": fill.filled_at + timedelta(minutes=95),
            "litres": fill.litres + 1,
            "odometer_km": (fill.odometer_km or 0) + 6,
        }

    plant("duplicate", lambda fill: later(fill, 2), copy=True)
    plant("too_soon", too_soon, copy=True)
    plant("swapped", lambda fill: {"litres": fill.amount_kes, "amount_kes": fill.litres})
    plant(
        "over_price",
        lambda fill: {"amount_kes": ((fill.amount_kes or 0) * Decimal("1.4")).quantize(Decimal(1))},
    )
    plant("odometer_typo", typo)
    plant("wrong_fuel", lambda fill: {"fuel_type": "petrol" if fill.fuel_type == "diesel" else "diesel"})
    plant(
        "over_tank", lambda fill: {"litres": (fill.litres or 0) * 4, "amount_kes": (fill.amount_kes or 0) * 4}
    )
    return sorted(by_id.values(), key=lambda fill: fill.id)


# The tracker ---------------------------------------------------------------------------------------


def _devices(
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
        _spaced,
        lambda plate: _spaced(plate).replace(" ", "-"),
    ]
    for index, vehicle in enumerate(fleet):
        if index % 17 == 16:
            continue  # unknown to the tracker
        spelled = rng.choice(spellings)(vehicle.plate)
        if index % 8 == 3:  # a device that was taken out of service later than the present one reported
            add(_spaced(vehicle.plate), 1, active=False)
        if index % 8 == 5:  # two active ones: the latest wins
            add(vehicle.plate, 300)
        winners[vehicle.plate] = add(spelled, 20)
    add(None, 5)
    add(None, 400, active=False)
    add("", 30)
    return devices, winners


# Writing it as people type it ----------------------------------------------------------------------


def _spaced(plate: str) -> str:
    """`KCA542Q` as on the vehicle: `KCA 542Q`."""
    at = next((i for i, char in enumerate(plate) if i > 1 and char.isdigit()), len(plate))
    return f"{plate[:at]} {plate[at:]}"


def _car(rng: random.Random, plate: str) -> str:
    spaced = _spaced(plate)
    marks = (" ", " ", " ", " ", "", "", "-", ".", "  ", "\u00a0", "\u202f", "\u200b", " \u200e")
    ways = [spaced.replace(" ", mark) for mark in marks]
    ways += [f" {spaced} ", spaced.lower(), plate.lower(), spaced.lower().replace(" ", "-")]
    ways.append("".join(chr(ord(char) + 0xFEE0) for char in plate))  # full-width
    if plate[0] == "K" and len(plate) == 7:
        ways += [
            f"{spaced} (Isuzu)",
            f"{plate} John",
            f"{spaced}/ZC 1234",
            f"{plate[:3]} {plate[3:6].replace('0', 'O')}{plate[6]}",
        ]
    return rng.choice(ways)


def _number(rng: random.Random, value: Decimal | None, ways: Sequence[Callable[[Decimal], Any]]) -> Any:
    return rng.choice([None, None, ""]) if value is None else rng.choice(ways)(value)


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


def _iso(when: datetime) -> str:
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


FILLED_AT: list[Callable[[datetime], Any]] = [
    _iso, _iso, _iso, _iso,
    lambda when: when.astimezone(NAIROBI).isoformat(),
    lambda when: f"{when.astimezone(NAIROBI):%Y-%m-%dT%H:%M:%S}",
    lambda when: f"{when.astimezone(NAIROBI):%Y-%m-%d %H:%M}",
    lambda when: f"{when.astimezone(NAIROBI):%d/%m/%Y %H:%M}",
    lambda when: int(when.timestamp()),
    lambda when: int(when.timestamp() * 1000),
    lambda when: str(int(when.timestamp() * 1000)),
]  # fmt: skip


def _write(rng: random.Random, fill: Fill) -> tuple[dict[str, Any], Truth]:
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
        "datetime": rng.choice(FILLED_AT)(fill.filled_at),
        "created_at": _iso(fill.created_at),
        "updated_at": _iso(fill.updated_at),
        "deleted_at": fill.deleted_at and _iso(fill.deleted_at),
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
    price = fill.amount_kes / fill.litres if fill.amount_kes and fill.litres else None
    return raw, Truth(
        id=str(fill.id),
        car=_trimmed(car),
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
        filled_at=fill.filled_at,
        created_at=fill.created_at,
        updated_at=fill.updated_at,
        deleted_at=fill.deleted_at,
    )


def _trimmed(text: str | None) -> str | None:
    return (text or "").strip(" ") or None


# The export: a snapshot, then hourly deltas --------------------------------------------------------


def _export(rng: random.Random, feed: Feed, fills: list[Fill], until: datetime) -> None:
    """Spread the fills and their later versions over a snapshot and 24 hourly deltas, in all usual shapes."""
    taken_at = until - timedelta(hours=DELTA_HOURS)
    snapshot: list[str] = []
    hours: list[list[str]] = [[] for _ in range(DELTA_HOURS)]
    settled = [fill for fill in fills if fill.created_at <= taken_at and not fill.evidence]
    newest: dict[str, str] = {}

    def put(fill: Fill, into: list[str], *, stale: bool = False) -> None:
        raw, truth = _write(rng, fill)
        into.append(json.dumps(raw, ensure_ascii=False))
        if not stale:
            feed.truth[truth.id], newest[truth.id] = truth, into[-1]

    def moment(hour: int) -> datetime:
        return taken_at + timedelta(hours=hour, minutes=rng.randrange(60), seconds=rng.randrange(60))

    # Versions in the order in which they came to be: the last one written for an id is its truth.
    some = max(2, len(settled) // 200)
    restored, edited, deleted, flipped, late = (
        set(rng.sample([fill.id for fill in settled[part::5]], min(some, len(settled[part::5]))))
        for part in range(5)
    )
    before: dict[int, Fill] = {}
    for fill in fills:
        if fill.id in restored or (fill.id in late and rng.random() < 0.5):
            gone_at = min(fill.created_at + timedelta(hours=5), taken_at)
            fill = replace(fill, updated_at=gone_at, deleted_at=gone_at)
        before[fill.id] = fill
        if fill.created_at <= taken_at:
            put(fill, snapshot)
        else:
            put(fill, hours[min(int((fill.created_at - taken_at) / timedelta(hours=1)), DELTA_HOURS - 1)])
    for id_ in sorted(late):  # an older version that comes late must change nothing
        old = before[id_].created_at - timedelta(minutes=5)
        version = replace(before[id_], litres=Decimal(1), updated_at=old, deleted_at=None)
        put(version, rng.choice(hours), stale=True)
    for id_ in sorted(edited):
        first, second = sorted(rng.sample(range(DELTA_HOURS), 2))
        for hour, litres in ((first, 1), (second, 2)):
            fill = before[id_]
            change = (
                {"litres": (fill.litres or 0) + litres}
                if litres == 1
                else {"amount_kes": (fill.amount_kes or 0) - 20}
            )
            before[id_] = replace(fill, **change, updated_at=moment(hour))  # type: ignore[arg-type]
            put(before[id_], hours[hour])
    for id_ in sorted(deleted):
        hour = rng.randrange(DELTA_HOURS)
        when = moment(hour)
        put(replace(before[id_], updated_at=when, deleted_at=when), hours[hour])
    for id_ in sorted(restored):
        hour = rng.randrange(DELTA_HOURS)
        put(replace(before[id_], updated_at=moment(hour), deleted_at=None), hours[hour])
    for id_ in sorted(flipped):  # deleted and restored again, the two versions in one file
        hour = rng.randrange(DELTA_HOURS)
        when = taken_at + timedelta(hours=hour, minutes=10)
        put(replace(before[id_], updated_at=when, deleted_at=when), hours[hour])
        put(replace(before[id_], updated_at=when + timedelta(minutes=30)), hours[hour])

    spare = max(fill.id for fill in fills) + 1_000
    for number, char in enumerate(("\ud83d", "\0")):  # real fills with a character that jsonb cannot hold
        fill = replace(settled[-1], id=spare + number, litres=Decimal(10 + number), odometer_km=None)
        raw, truth = _write(rng, fill)
        raw = {**raw, "driver": f"Amina {char}Ali", "message": f"{char} 10l"}
        snapshot.append(json.dumps(raw))  # escaped, as n8n writes it
        newest[truth.id], feed.truth[truth.id] = snapshot[-1], replace(truth, driver="Amina \ufffdAli")
        feed.sanitised.add(truth.id)
    hours[-1] += [
        '{"message": "fuel update KCB 112B 30l", "error": "429 Too Many Requests"}',
        '{"success": true}',
        "{}",
        f'{{"car": "KCA 542Q", "litres": "20L", "amount": "KES 3,400", "updated_at": "{_iso(until)}"}}',
        f'{{"id": {spare + 10}, "litres": 1e400000, "updated_at": "{_iso(until)}"}}',
        '"fuel update KCA 542Q"',
    ]
    feed.refused = 6
    feed.objects[SNAPSHOT_KEY] = _envelope(snapshot, taken_at, "snapshot")
    for hour, items in enumerate(hours):
        exported_at = taken_at + timedelta(hours=hour + 1)
        body = _shape(hour, items, exported_at)
        if body is not None:
            feed.objects[f"{CHANGES_PREFIX}{exported_at:%Y-%m-%dT%H-%M-%SZ}.json"] = body

    feed.gone = set(rng.sample(sorted(newest), 5))
    left = [item for id_, item in newest.items() if id_ not in feed.gone]
    feed.next_snapshot = _envelope(left, until + timedelta(hours=1), "snapshot")


def _envelope(items: Sequence[str], exported_at: datetime, mode: str) -> bytes:
    metadata = {"mode": mode, "exported_at": _iso(exported_at), "record_count": len(items)}
    return f'{{"metadata": {json.dumps(metadata)}, "records": [{", ".join(items)}]}}'.encode()


def _shape(hour: int, items: list[str], exported_at: datetime) -> bytes | None:
    """The bytes of one hourly object: every shape that n8n is known to produce; None for a missed hour."""
    array = b"[" + ", ".join(items).encode() + b"]"
    if not items:
        return array if hour % 2 else None
    if len(items) == 1:
        return items[0].encode()
    match hour % 6:
        case 1:
            return b"\xef\xbb\xbf" + _envelope(items, exported_at, "changes")
        case 2:
            return gzip.compress(_envelope(items, exported_at, "changes"), mtime=0)
        case 3:
            return array
        case 4:
            return b"[" + b", ".join(b'{"json": ' + item.encode() + b"}" for item in items) + b"]"
        case 5:
            return b'{"data": ' + array + b"}"
        case _:
            return _envelope(items, exported_at, "changes")
