"""A seeded, realistic, messy sample feed together with the truth it was written from.

`generate()` first simulates an honest fleet (distances, tanks, consumption, regulated prices), plants a few
anomalies, and only then writes every fill the way people type it. So for each id the normalised values are
known without running any normaliser: `Feed.truth` is what `fuel.records` must hold after a load and a build.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from demo.fleet import NAIROBI, Device, Fill, devices, drive, new_fleet, price_cap, share
from demo.plants import plant
from demo.typed import Truth, iso, write

SNAPSHOT_KEY = "fuel_records/latest.json"
CHANGES_PREFIX = "fuel_records/changes/"
DELTA_HOURS = 24


@dataclass
class Feed:
    """The objects of a bucket and what must come of them.

    `objects` maps keys to bytes. `truth` maps every id that must land to its values, `device` each plate that
    the tracker knows to the device that wins. `refused` counts the items that must not land, `sanitised` are
    the ids that land with a replaced character, `planted` maps ids to the rule that should find them, and
    `phones` are the numbers of the drivers, which must never reach a report. `next_snapshot` is a later
    snapshot, from which the ids in `gone` were deleted at the source.
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
    fleet = new_fleet(rng, vehicles)
    honest = [
        fill
        for index, vehicle in enumerate(fleet)
        for fill in drive(rng, vehicle, until, share(fills, vehicles, index))
    ]
    honest.sort(key=lambda fill: fill.created_at)
    numbered = [replace(fill, id=18_000 + number) for number, fill in enumerate(honest)]
    feed = Feed(phones={vehicle.phone for vehicle in fleet})
    feed.devices, feed.device = devices(rng, fleet, until)
    reported = plant(rng, numbered, {vehicle.plate for vehicle in fleet} - feed.device.keys())
    feed.planted = {str(fill.id): fill.planted for fill in reported if fill.planted}
    _export(rng, feed, reported, until)
    return feed


# The export: a snapshot, then hourly deltas --------------------------------------------------------


def _export(rng: random.Random, feed: Feed, fills: list[Fill], until: datetime) -> None:
    """Spread the fills and their later versions over a snapshot and 24 hourly deltas, in all usual shapes."""
    taken_at = until - timedelta(hours=DELTA_HOURS)
    snapshot: list[str] = []
    hours: list[list[str]] = [[] for _ in range(DELTA_HOURS)]
    settled = [fill for fill in fills if fill.created_at <= taken_at and not fill.evidence]
    newest: dict[str, str] = {}

    def put(fill: Fill, into: list[str], *, stale: bool = False) -> None:
        raw, truth = write(rng, fill)
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
        last = settled[-1]
        bought = Decimal(10 + number)
        amount = (bought * price_cap(last.fuel_type, last.filled_at.astimezone(NAIROBI).date())).quantize(
            Decimal(1)
        )
        fill = replace(last, id=spare + number, litres=bought, amount_kes=amount, odometer_km=None)
        raw, truth = write(rng, fill)
        raw = {**raw, "driver": f"Amina {char}Ali", "message": f"{char} 10l"}
        snapshot.append(json.dumps(raw))  # escaped, as n8n writes it
        newest[truth.id], feed.truth[truth.id] = snapshot[-1], replace(truth, driver="Amina \ufffdAli")
        feed.sanitised.add(truth.id)
    # Beside good ones: an object that holds nothing but such items is refused whole.
    newest_good = next((items for items in reversed(hours) if items), snapshot)
    newest_good += [
        '{"message": "fuel update KCB 112B 30l", "error": "429 Too Many Requests"}',
        '{"success": true}',
        "{}",
        f'{{"car": "KCA 542Q", "litres": "20L", "amount": "KES 3,400", "updated_at": "{iso(until)}"}}',
        f'{{"id": {spare + 10}, "litres": 1e400000, "updated_at": "{iso(until)}"}}',
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
    metadata = {"mode": mode, "exported_at": iso(exported_at), "record_count": len(items)}
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
