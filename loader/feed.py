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
MICROSECOND = timedelta(microseconds=1)
MAX_ID_BYTES = 1000
MAX_DEPTH = 500  # far below what Python's and PostgreSQL's stacks bear, far above any record

# Every escape is matched, so that an escaped backslash before `u0000` is taken for the plain text it is.
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u0000|u[dD][89a-fA-F]..)|.)", re.DOTALL)
_BRACKET = re.compile(rb'"(?:[^"\\]+|\\.)*"|[\[\]{}]', re.DOTALL)
_KEY_TIME = re.compile(
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:[T_ -]?(\d\d)[:_.-]?(\d\d)(?:[:_.-]?(\d\d)(?:[.,](\d{1,6})\d*|-(\d{3})(?=Z))?)? ?(Z|[+-]\d\d(?::?\d\d)?)?)?(?!\d)"
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
    json: Raw | UnsetType = UNSET


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
    seen: int = 0
    duplicate: int = 0
    ids: list[str] = field(default_factory=list)
    raws: list[Raw] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    stamps: list[int | None] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    sanitised: dict[int, bytes] = field(default_factory=dict)  # by slot: the original bytes


class _BadRecord(Exception):
    """Why a record cannot be landed."""

    def __init__(self, reason: str, id: str | None = None) -> None:
        super().__init__(reason)
        self.id = id


class _Repairs:
    """Repairs within a body, each of the length it replaces, so that the original bytes can be had again."""

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

    def original(self, raw: Raw) -> tuple[bytes, bool]:
        """The record's bytes before the repairs, and whether it was cut for its depth. In file order only."""
        part = bytes(raw)
        start = self.body.index(part, self._cursor)
        self._cursor = end = start + len(part)
        patches = range(bisect_left(self.offsets, start), bisect_left(self.offsets, end))
        if not patches:
            return part, False
        whole, too_deep = bytearray(part), False
        for number in reversed(patches):  # a cut may hold repaired characters: undo it first
            at, patch = self.offsets[number] - start, self._originals[number]
            too_deep = too_deep or patch[:1] in b"[{"
            whole[at : at + len(patch)] = patch
        return bytes(whole), too_deep


def parse(body: bytearray) -> Feed:
    """Read the records of an object, in any shape the exporter produces.

    Raises:
        RefusedObject: it is not one well-formed UTF-8 JSON document holding records.
    """
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise RefusedObject("not UTF-8 but UTF-16")
    if body[:3] == b"\xef\xbb\xbf":
        del body[:3]
    repairs = _Repairs(body)
    if b"\\u0000" in body or b"\\ud" in body or b"\\uD" in body:
        for match in list(_ESCAPE.finditer(body)):
            if match[1]:
                repairs.replace(match.start(), b"\\ufffd")
    try:
        records, metadata = _split(body)
    except RecursionError:
        _cut_depth(body, repairs)
        records, metadata = _split(body)
    feed = Feed(seen=len(records), record_count=metadata.record_count)
    for value in (metadata.exported_at, metadata.generated_at, metadata.timestamp):
        if (micros := _micros(value)) is not None:
            feed.exported_at = EPOCH + micros * MICROSECOND
            break
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
    slots: dict[str, int] = {}
    ids, raws, digests = feed.ids, feed.raws, feed.digests
    stamps, positions = feed.stamps, feed.positions
    for position, raw in enumerate(records, 1):
        original: bytes | None = None
        too_deep = False
        if repairs.offsets:
            original, too_deep = repairs.original(raw)
        try:
            try:
                head = decode(raw)
                if head.json is not UNSET and head.id is None:
                    raw = head.json
                    head = decode(raw)
                id, updated, deleted = head.id, head.updated_at, head.deleted_at
                if id.__class__ is int:
                    id = str(id)
                elif not id or len(id) > 200:  # type: ignore[arg-type]
                    raise msgspec.ValidationError
                stamp = _micros(updated) if updated else None
                if deleted:
                    stamp = max(stamp or -(2**62), _micros(deleted) or 0)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raw, id, stamp = _loosely(raw)
            if too_deep:
                raise _BadRecord(f"nested deeper than {MAX_DEPTH} levels", id)  # type: ignore[arg-type]
        except _BadRecord as error:
            feed.rejects.append(Reject(position, error.id, str(error), original or bytes(raw)))
            continue
        slot = slots.setdefault(id, len(ids))  # type: ignore[arg-type]
        digest = blake2b(raw if original is None else original, digest_size=16).digest()
        if slot == len(ids):
            ids.append(id)  # type: ignore[arg-type]
            raws.append(raw)
            digests.append(digest)
            stamps.append(stamp)
            positions.append(position)
        else:
            feed.duplicate += 1
            if (stamp or -(2**62)) < (stamps[slot] or -(2**62)):
                continue
            raws[slot], digests[slot], stamps[slot], positions[slot] = raw, digest, stamp, position
            feed.sanitised.pop(slot, None)
        if original is not None and original != bytes(records[position - 1]):
            feed.sanitised[slot] = original


def _loosely(raw: Raw) -> tuple[Raw, str, int | None]:
    """Read a record that is not as nearly all are: its bytes, id and time.

    Raises:
        _BadRecord: it cannot be landed.
    """
    try:
        head = msgspec.json.decode(raw, type=LooseHead)
        if head.json is not UNSET and head.id is UNSET:
            raw = head.json
            head = msgspec.json.decode(raw, type=LooseHead)
    except msgspec.ValidationError:
        raise _BadRecord("not an object") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _BadRecord(f"unreadable: {error}") from None
    if head.id is UNSET:
        raise _BadRecord("no id")
    text = bytes(head.id).decode("utf-8", "replace")
    try:
        value = msgspec.json.decode(head.id)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        value = int(text) if text.isdigit() and len(text) <= MAX_ID_BYTES else None
    if isinstance(value, float) and value.is_integer() and re.fullmatch(r"-?\d+(\.0*)?", text):
        value = int(text.partition(".")[0])
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        kind = "null" if text == "null" else "not text or a whole number"
        raise _BadRecord(f"id is {kind}")
    id = text if isinstance(value, int) and text.lstrip("-").isdigit() else str(value)
    if not id.strip():
        raise _BadRecord("id is empty")
    if len(id.encode()) > MAX_ID_BYTES:
        raise _BadRecord(f"id is longer than {MAX_ID_BYTES} bytes")
    stamps = [_micros(_value(part)) for part in (head.updated_at, head.deleted_at) if part is not UNSET]
    return raw, id, max((stamp for stamp in stamps if stamp is not None), default=None)


def _value(raw: Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _micros(value: Any) -> int | None:
    """A time as microseconds since 2000: a datetime, ISO 8601 text, or epoch seconds or milliseconds; else None."""
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if re.fullmatch(r"\d{9,13}(\.\d+)?", text) else key_time(text, NAIROBI)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1e8 < value < 1e13:
        return round((value / 1000 if value >= 1e11 else value) * 1_000_000) - 946_684_800_000_000
    if not isinstance(value, datetime):
        return None
    return ((value if value.tzinfo else value.replace(tzinfo=NAIROBI)) - EPOCH) // MICROSECOND


def key_time(text: str, zone: timezone = timezone.utc) -> datetime | None:
    """The time written in an object's key or in a text, `zone` if it names none; None if there is none."""
    match = _KEY_TIME.search(text)
    if not match:
        epoch = re.search(r"(?<!\d)\d{13}(?!\d)|(?<!\d)\d{10}(?!\d)", text)
        micros = _micros(int(epoch[0])) if epoch else None
        return None if micros is None else EPOCH + micros * MICROSECOND
    *numbers, micros_text, millis_text, offset = match.groups()
    fraction = int((micros_text or millis_text or "").ljust(6, "0"))
    try:
        if offset:
            zone = datetime.strptime("+0000" if offset == "Z" else offset.ljust(5, "0"), "%z").tzinfo  # type: ignore[assignment]
        return datetime(*(int(number or 0) for number in numbers), fraction, tzinfo=zone)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
