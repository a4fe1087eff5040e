"""From an object's bytes to records: the shapes of the feed, and what is wrong with single records."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from loader.bucket import RefusedObject

NAIROBI = timezone(timedelta(hours=3))
EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)  # PostgreSQL's
LONG_AGO = -(2**62)  # stands for no time at all where times are compared
MAX_ID_BYTES = 1000
MAX_DEPTH = 500  # far below what Python's and PostgreSQL's stacks bear, far above any record
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"

# Every escape is matched, so that an escaped backslash before `u0000` is taken for the plain text it is.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u0000|u[dD][89a-fA-F]..)|.)", re.DOTALL)
_BRACKET = re.compile(rb'"(?:[^"\\]+|\\.)*"|[\[\]{}]', re.DOTALL)
_KEY_TIME = re.compile(
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:[T_ -]?(\d\d)[:_.-]?(\d\d)(?:[:_.-]?(\d\d)(?:[.,](\d{1,6})\d*|-(\d{3})(?=Z))?)?"
    r" ?(Z|[+-]\d\d(?::?\d\d)?)?)?(?!\d)"
)


class Envelope(Struct):
    """`{"metadata": {…}, "records": […]}` or `{"data": […]}`."""

    metadata: Raw | UnsetType = UNSET
    records: list[Raw] | UnsetType = UNSET
    data: list[Raw] | UnsetType = UNSET


class Metadata(Struct):
    """What the envelope says about itself; the time under any of the names in use."""

    record_count: Any = None
    exported_at: Any = None
    generated_at: Any = None
    timestamp: Any = None


class Head(Struct, gc=False):
    """The few fields of a record that landing needs, as nearly all records have them."""

    id: int | str | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


class LooseHead(Struct):
    """The same fields, whatever they hold."""

    id: Raw | UnsetType = UNSET
    updated_at: Raw | UnsetType = UNSET
    deleted_at: Raw | UnsetType = UNSET
    json: Raw | UnsetType = UNSET


@dataclass(frozen=True)
class Reject:
    """One record for `fuel.load_rejects`; `position` counts from 1."""

    position: int
    id: str | None
    reason: str
    original: bytes


@dataclass
class Feed:
    """The records of one object: what landing needs of each, in parallel lists; each id once.

    `stamps` are microseconds since 2000-01-01 UTC, or None; `positions` count from 1.
    """

    exported_at: datetime | None = None
    record_count: Any = None
    duplicate: int = 0
    slots: dict[str, int] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    raws: list[Raw | bytes] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    stamps: list[int | None] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    sanitised: dict[int, bytes] = field(default_factory=dict)  # by slot: the original bytes

    @property
    def seen(self) -> int:
        """How many records the object holds."""
        return len(self.ids) + self.duplicate + len(self.rejects)

    def add(
        self, position: int, id: str, raw: Raw | bytes, stamp: int | None, original: bytes | None
    ) -> None:
        """Take a record unless a newer one of its id is there; `original` if `raw` is a repaired one."""
        slot = self.slots.setdefault(id, len(self.ids))
        if slot == len(self.ids):
            self.ids.append(id)
            self.raws.append(raw)
            self.digests.append(b"")
            self.stamps.append(stamp)
            self.positions.append(position)
        else:
            self.duplicate += 1
            if (stamp or LONG_AGO) < (self.stamps[slot] or LONG_AGO):
                return
            self.raws[slot], self.stamps[slot], self.positions[slot] = raw, stamp, position
            self.sanitised.pop(slot, None)
        self.digests[slot] = blake2b(raw if original is None else original, digest_size=16).digest()
        if original is not None:
            self.sanitised[slot] = original

    def original(self, slot: int) -> bytes:
        """The record's bytes as exported."""
        return self.sanitised.get(slot) or bytes(self.raws[slot])


class _Repairs:
    """Repairs within a body, each as long as what it replaces, so that they can be undone."""

    def __init__(self, body: bytearray) -> None:
        self.body = body
        self.offsets: list[int] = []
        self._originals: list[bytes] = []
        self._cursor = 0

    def replace(self, start: int, replacement: bytes) -> None:
        end = start + len(replacement)
        at = bisect_left(self.offsets, start)
        self.offsets.insert(at, start)
        self._originals.insert(at, bytes(self.body[start:end]))
        self.body[start:end] = replacement

    def original(self, raw: Raw) -> tuple[bytes | None, bool]:
        """The record's bytes before its repairs, if any, and whether it was cut. In file order only."""
        part = bytes(raw)
        start = self.body.index(part, self._cursor)
        self._cursor = end = start + len(part)
        patches = range(bisect_left(self.offsets, start), bisect_left(self.offsets, end))
        whole, was_cut = bytearray(part), False
        for number in patches:  # a cut, and then what it holds
            patch = self._originals[number]
            was_cut = was_cut or patch[:1] in (b"[", b"{")
            at = self.offsets[number] - start
            whole[at : at + len(patch)] = patch
        return bytes(whole) if patches else None, was_cut


def parse(body: bytearray) -> Feed:
    """Read the records of an object, in any shape the exporter produces.

    Raises:
        RefusedObject: it is not one well-formed UTF-8 JSON document holding records.
    """
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RefusedObject("not UTF-8 but UTF-16")
    if body[:3] == b"\xef\xbb\xbf":
        del body[:3]
    repairs = _Repairs(body)
    if b"\\u0000" in body or b"\\ud" in body or b"\\uD" in body:
        for start in [match.start() for match in _ESCAPE.finditer(body) if match[1]]:
            repairs.replace(start, b"\\ufffd")
    try:
        records, metadata = _split(body)
    except RecursionError:
        _cut_depth(body, repairs)
        records, metadata = _split(body)
    feed = Feed(record_count=metadata.record_count)
    for value in (metadata.exported_at, metadata.generated_at, metadata.timestamp):
        micros = _micros(value)
        if micros is not None and feed.exported_at is None:
            feed.exported_at = EPOCH + timedelta(microseconds=micros)
    _scan(feed, records, repairs)
    return feed


def _split(body: bytearray | Raw) -> tuple[Sequence[Raw], Metadata]:
    """The records' own bytes, uninterpreted, and the metadata."""
    view = memoryview(body)
    first = bytes(view[:64]).lstrip()[:1]
    try:
        if first == b"[":
            records = msgspec.json.decode(view, type=list[Raw])
            if len(records) != 1:
                return records, Metadata()
            inner = _unwrap(records[0])  # n8n wraps a whole envelope as its one item, too
            envelope = _envelope(inner)
            return envelope or (records, Metadata())
        if first == b"{":
            return _envelope(view) or ([_unwrap(msgspec.json.decode(view, type=Raw))], Metadata())
        msgspec.json.decode(view)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RefusedObject(f"not well-formed JSON: {error}") from None
    raise RefusedObject("JSON, but neither an array nor an object")


def _unwrap(raw: Raw) -> Raw:
    try:
        head = msgspec.json.decode(raw, type=LooseHead)
    except msgspec.ValidationError:
        return raw
    return raw if head.json is UNSET or head.id is not UNSET else head.json


def _envelope(document: memoryview | Raw) -> tuple[Sequence[Raw], Metadata] | None:
    """Records and metadata if `document` is an envelope."""
    try:
        envelope = msgspec.json.decode(document, type=Envelope)
    except msgspec.ValidationError:
        return None
    records = envelope.data if envelope.records is UNSET else envelope.records
    if records is UNSET:
        return None
    try:
        return records, msgspec.json.decode(envelope.metadata, type=Metadata)  # type: ignore[arg-type]
    except (msgspec.MsgspecError, TypeError):
        return records, Metadata()


def _cut_depth(body: bytearray, repairs: _Repairs) -> None:
    """Put a zero in place of whatever is nested too deep: the other records can be read then."""
    depth, start = 0, 0
    cuts = []
    for match in _BRACKET.finditer(body):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth == MAX_DEPTH:
                start = match.start()
        elif token in (b"]", b"}"):
            if depth == MAX_DEPTH:
                cuts.append((start, match.end()))
            depth -= 1
    if depth:
        raise RefusedObject("not well-formed JSON: brackets do not match")
    for start, end in cuts:
        repairs.replace(start, b"0".ljust(end - start))


def _scan(feed: Feed, records: Sequence[Raw], repairs: _Repairs) -> None:
    """Fill the feed's lists from the records: the newest version of each id, and the rejects."""
    decode = msgspec.json.Decoder(Head).decode
    for position, raw in enumerate(records, 1):
        original, was_cut = repairs.original(raw) if repairs.offsets else (None, False)
        try:
            head = decode(raw)
            id: Any = head.id
            if id.__class__ is int:
                id = str(id)
            if not id or len(id) > 200 or id.isspace():
                raise msgspec.ValidationError  # to be looked at more closely
            stamp = None if head.updated_at is None else to_micros(head.updated_at)
            if head.deleted_at is not None:
                stamp = max(stamp or LONG_AGO, to_micros(head.deleted_at))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            read_record(feed, position, None, raw, original, was_cut)
            continue
        if was_cut:
            feed.rejects.append(Reject(position, id, TOO_DEEP, original or b""))
        else:
            feed.add(position, id, raw, stamp, original)


def read_record(
    feed: Feed,
    position: int,
    id: str | None,
    raw: Raw | bytes,
    original: bytes | None = None,
    was_cut: bool = False,
) -> None:
    """Add a record that is not as nearly all are, or whose `id` is known from elsewhere, or reject it."""
    reason = TOO_DEEP if was_cut else None
    stamps: list[int] = []
    try:
        head = msgspec.json.decode(raw, type=LooseHead)
        if head.json is not UNSET and head.id is UNSET:
            raw = head.json
            head = msgspec.json.decode(raw, type=LooseHead)
        values = [_value(part) for part in (head.updated_at, head.deleted_at) if part is not UNSET]
        stamps = [micros for micros in map(_micros, values) if micros is not None]
        if id is None:
            id, problem = _read_id(head.id)
            reason = reason or problem
    except msgspec.ValidationError:
        reason = "not an object"
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason = f"unreadable: {error}"
    if reason or id is None:
        feed.rejects.append(Reject(position, id, reason or "no id", original or bytes(raw)))
    else:
        feed.add(position, id, raw, max(stamps, default=None), original)


def _read_id(raw: Raw | UnsetType) -> tuple[str | None, str | None]:
    """An id as text, or what is wrong with it. A number keeps the digits it was written with."""
    if raw is UNSET:
        return None, "no id"
    text = bytes(raw).decode("utf-8", "replace")
    if re.fullmatch(r"-?\d+(\.0+)?", text):
        id = text.partition(".")[0]
    elif text[0] == '"':
        id = msgspec.json.decode(raw, type=str)
    else:
        return None, "id is null" if text == "null" else "id is neither text nor a whole number"
    if not id.strip():
        return None, "id is empty"
    if len(id.encode()) > MAX_ID_BYTES:
        return None, f"id is longer than {MAX_ID_BYTES} bytes"
    return id, None


def _value(raw: Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _micros(value: Any) -> int | None:
    """Microseconds since 2000 of a datetime, ISO 8601 text, or epoch seconds or milliseconds; else None."""
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if re.fullmatch(r"\d{9,13}(\.\d+)?", text) else key_time(text, NAIROBI)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1e8 < value < 1e13:
        return round((value / 1000 if value >= 1e11 else value) * 1_000_000) - 946_684_800_000_000
    if not isinstance(value, datetime):
        return None
    return to_micros(value)


def to_micros(when: datetime) -> int:
    """Microseconds since 2000-01-01 UTC, PostgreSQL's own form of a time; without zone it is Nairobi's."""
    delta = (when if when.tzinfo else when.replace(tzinfo=NAIROBI)) - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def key_time(text: str, zone: timezone = timezone.utc) -> datetime | None:
    """The time written in an object's key or in a text, `zone` if it names none; None if there is none."""
    match = _KEY_TIME.search(text)
    if not match:
        epoch = re.search(r"(?<!\d)\d{13}(?!\d)|(?<!\d)\d{10}(?!\d)", text)
        micros = _micros(int(epoch[0])) if epoch else None
        return None if micros is None else EPOCH + timedelta(microseconds=micros)
    *numbers, micros_text, millis_text, offset = match.groups()
    fraction = int((micros_text or millis_text or "").ljust(6, "0"))
    try:
        if offset:
            zone = datetime.strptime("+0000" if offset == "Z" else offset.ljust(5, "0"), "%z").tzinfo  # type: ignore[assignment]
        return datetime(*(int(number or 0) for number in numbers), fraction, tzinfo=zone)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
