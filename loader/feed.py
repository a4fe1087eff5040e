"""From an object's bytes to records: the shapes of the feed, and what is wrong with single records."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from loader.bucket import RefusedObject

NAIROBI = timezone(timedelta(hours=3))
LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)  # stands for no time at all where times are compared
NEVER = 2100  # and years after it: an exporter's word for no time, say 9999-12-31
MAX_ID_BYTES = 1000
MAX_DEPTH = 500  # far below what Python's and PostgreSQL's stacks bear, far above any record
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"

# Few feeds hold anything that so much as looks like what jsonb cannot hold.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# Every escape is matched, so that an escaped backslash before `u0000` is taken for the plain text it is.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]HH\\u[dD][c-fC-F]HH|(u0000|u[dD][89a-fA-F]HH)|.)".replace(b"H", b"[0-9a-fA-F]"),
    re.DOTALL,
)
# A text that is never closed matches too: one way to match and none to fail, so it is passed over only once.
_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_KEY_TIME = re.compile(
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:[T_ -]?(\d\d)(?:[:_.-]?(\d\d)(?:[:_.-]?(\d\d)(?:[.,](\d{1,6})\d*|-(\d{3})(?=Z))?)?|(?<=T\d\d))"
    r" ?(Z|[+-]\d\d(?::?\d\d)?)?|(?![T_ -]?\d))(?!\d)"
)


class Envelope(Struct):
    """`{"metadata": {…}, "records": […]}` or `{"data": […]}`."""

    metadata: Raw | UnsetType = UNSET
    records: list[Raw] | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


class Metadata(Struct):
    """What the envelope says about itself; the time under any of the names in use."""

    record_count: Raw = Raw(b"null")
    exported_at: Raw = Raw(b"null")
    generated_at: Raw = Raw(b"null")
    timestamp: Raw = Raw(b"null")


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
    records: Raw | UnsetType = UNSET
    metadata: Raw | UnsetType = UNSET


@dataclass(frozen=True)
class Reject:
    """One record for `fuel.load_rejects`; `position` counts from 1."""

    position: int
    id: str | None
    reason: str
    original: bytes


@dataclass
class Versions:
    """What landing needs of some records, in parallel lists: of each id the newest version among them.

    `slots` are places in the feed's lists; `times` say when the versions were written (aware), or None.
    """

    slots: list[int]
    ids: list[str]
    times: list[datetime | None]
    duplicate: int
    rejects: list[Reject]


@dataclass
class Feed:
    """The records of one object as exported, in parallel lists. What is in them is read when it is needed."""

    raws: list[Raw | bytes]
    record_count: str = "null"  # as written in the metadata
    originals: dict[int, bytes] = field(default_factory=dict)  # by slot: the bytes before their repair
    cut: set[int] = field(default_factory=set)  # the slots of records that were nested too deep
    given_ids: list[str] | None = None  # known from elsewhere, whatever the records say
    exported_at: datetime | None = None

    def digests(self, slots: Iterable[int]) -> Iterator[bytes]:
        """Digests of the records in these slots, as exported."""
        originals, raws = self.originals, self.raws
        for slot in slots:
            yield blake2b(originals.get(slot) or raws[slot], digest_size=16).digest()

    def original(self, slot: int) -> bytes:
        """The record's bytes as exported."""
        return self.originals.get(slot) or bytes(self.raws[slot])

    def read(self, slots: Iterable[int]) -> Versions:
        """Read id and times of the records in these slots, ascending."""
        found: list[int] = []
        ids: list[str] = []
        times: list[datetime | None] = []
        rejects: list[Reject] = []
        raws, unusual = self.raws, self.cut if self.given_ids is None else range(len(self.raws))
        decode = msgspec.json.Decoder(Head).decode
        for slot in slots:
            id: Any
            try:
                head = decode(raws[slot])
                id, updated_at, deleted_at = head.id, head.updated_at, head.deleted_at
                if id.__class__ is int:
                    id = str(id)
                when = None if updated_at is None else _in_nairobi(updated_at)
                if deleted_at is not None:
                    when = max(when or LONG_AGO, _in_nairobi(deleted_at))
                is_odd = not id or len(id) > 200 or id.isspace() or slot in unusual
                if is_odd or (when and when.year >= NEVER):
                    raise msgspec.ValidationError  # to be looked at more closely
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                id, when, problem = self._read_closely(slot)
                if problem:
                    rejects.append(Reject(slot + 1, id, problem, self.original(slot)))
                    continue
            found.append(slot)
            ids.append(id)
            times.append(when)
        if len(set(ids)) == len(ids):
            return Versions(found, ids, times, 0, rejects)
        newest: dict[str, int] = {}
        for n, id in enumerate(ids):
            held = newest.setdefault(id, n)
            if held != n and (times[n] or LONG_AGO) >= (times[held] or LONG_AGO):
                newest[id] = n
        kept = list(newest.values())
        return Versions(
            [found[n] for n in kept], list(newest), [times[n] for n in kept], len(ids) - len(kept), rejects
        )

    def _read_closely(self, slot: int) -> tuple[str | None, datetime | None, str | None]:
        """Id, time and what is wrong, of a record that is not as nearly all are; an item is unwrapped."""
        id = self.given_ids[slot] if self.given_ids is not None else None
        problem = None
        try:
            head = msgspec.json.decode(self.raws[slot], type=LooseHead)
            if head.json is not UNSET and head.id is UNSET:
                whole, inner = bytes(self.raws[slot]), bytes(head.json)
                head = msgspec.json.decode(inner, type=LooseHead)
                self.raws[slot] = inner
                if slot in self.originals:
                    start = whole.index(inner)  # repairs are as long as what they replace
                    self.originals[slot] = self.originals[slot][start : start + len(inner)]
            if id is None:
                id, problem = _read_id(head.id)
        except msgspec.ValidationError:
            return id, None, "not an object"
        except RecursionError:
            return id, None, TOO_DEEP
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return id, None, f"unreadable: {error}"
        times = [_read_time(_value(part)) for part in (head.updated_at, head.deleted_at) if part is not UNSET]
        when = max((each for each in times if each is not None and each.year < NEVER), default=None)
        return id, when, TOO_DEEP if slot in self.cut else problem


def parse(body: bytearray) -> Feed:
    """Read the records of an object, in any shape the exporter produces.

    Raises:
        RefusedObject: it is not one well-formed UTF-8 JSON document holding records.
    """
    if not body:
        raise RefusedObject("it is empty")
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RefusedObject("not UTF-8 but UTF-16")
    if body[:3] == b"\xef\xbb\xbf":
        del body[:3]
    patched: dict[int, bytes] = {}  # by offset in the body, what stood there
    if _SUSPECT.search(body):
        for start in [match.start() for match in _ESCAPE.finditer(body) if match[1]]:
            _patch(body, patched, start, b"\\ufffd")
    try:
        records, metadata = _split(body)
    except RecursionError:
        _cut_depth(body, patched)
        records, metadata = _split(body)
    feed = Feed([*records], bytes(metadata.record_count).decode(errors="replace"))
    feed.originals, feed.cut = _originals(body, patched, records)
    for raw in (metadata.exported_at, metadata.generated_at, metadata.timestamp):
        feed.exported_at = feed.exported_at or _read_time(_value(raw))
    return feed


def _patch(body: bytearray, patched: dict[int, bytes], start: int, replacement: bytes) -> None:
    """Repair the body in place, and no byte moves: what was there can be put back."""
    end = start + len(replacement)
    patched[start] = bytes(body[start:end])
    body[start:end] = replacement


def _originals(
    body: bytearray, patched: dict[int, bytes], records: list[Raw]
) -> tuple[dict[int, bytes], set[int]]:
    """By slot, each repaired record's bytes as they were before; and the slots of those that were cut."""
    originals: dict[int, bytes] = {}
    cut: set[int] = set()
    offsets = sorted(patched)
    end = 0
    for slot, raw in enumerate(records if offsets else ()):
        whole = bytearray(raw)
        start = body.index(whole, end)
        end = start + len(whole)
        for offset in offsets[bisect_left(offsets, start) : bisect_left(offsets, end)]:
            before = patched[offset]  # of a cut, and then of what it holds
            whole[offset - start : offset - start + len(before)] = before
            originals[slot] = b""
            if before[:1] in (b"[", b"{"):
                cut.add(slot)
        if slot in originals:
            originals[slot] = bytes(whole)
    return originals, cut


def _split(body: bytearray) -> tuple[list[Raw], Metadata]:
    """The records' own bytes, uninterpreted, and the metadata."""
    view = memoryview(body)
    first = re.match(rb"\s*(.?)", view)[1]  # type: ignore[index]
    try:
        if first == b"[":
            records = msgspec.json.decode(view, type=list[Raw])
        elif first == b"{":
            if envelope := _envelope(view):
                return envelope
            records = [msgspec.json.decode(view, type=Raw)]
        else:
            msgspec.json.decode(view)
            raise RefusedObject("JSON, but neither an array nor an object")
        if len(records) == 1:  # n8n wraps a whole envelope as its one item, too
            return _envelope(_unwrapped(records[0])) or (records, Metadata())
        return records, Metadata()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RefusedObject(f"not well-formed JSON: {error}") from None


def _loose(document: memoryview | Raw) -> LooseHead | None:
    """The fields of an object; None if it is none."""
    try:
        return msgspec.json.decode(document, type=LooseHead)
    except msgspec.ValidationError:
        return None


def _unwrapped(record: Raw) -> Raw:
    head = _loose(record)
    return record if head is None or head.json is UNSET or head.id is not UNSET else head.json


def _are_records(items: list[Raw]) -> bool:
    """Whether there are any, and each is an object with an id."""
    heads = [_loose(each) for each in items]
    return bool(heads) and all(head and head.id is not UNSET for head in heads)


def _envelope(document: memoryview | Raw) -> tuple[list[Raw], Metadata] | None:
    """Records and metadata if `document` is an envelope."""
    try:
        envelope = msgspec.json.decode(document, type=Envelope)
        records, has_id = envelope.records, envelope.id is not UNSET
        if records is UNSET and envelope.data is not UNSET and not has_id:
            records = msgspec.json.decode(envelope.data, type=list[Raw])
    except msgspec.ValidationError:
        head = _loose(document)
        if head and head.records is not UNSET and (head.id is UNSET or head.metadata is not UNSET):
            raise RefusedObject("records is no array") from None
        return None
    if records is UNSET:
        return None
    # What has an id is a record, unless it has the metadata of an export, or holds nothing but records.
    if has_id and envelope.metadata is UNSET and not _are_records(records):
        return None
    try:
        return records, msgspec.json.decode(envelope.metadata or b"{}", type=Metadata)
    except msgspec.MsgspecError:
        return records, Metadata()


def _cut_depth(body: bytearray, patched: dict[int, bytes]) -> None:
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
        _patch(body, patched, start, b"0".ljust(end - start))


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
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _read_time(value: Any) -> datetime | None:
    """The time in a datetime, ISO 8601 text, or epoch seconds or milliseconds; else None."""
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if re.fullmatch(r"\d{9,13}(\.\d+)?", text) else key_time(text, NAIROBI)
    if isinstance(value, (int, float)) and 1e8 < value < 1e13:
        return datetime.fromtimestamp(value / 1000 if value >= 1e11 else value, timezone.utc)
    return _in_nairobi(value) if isinstance(value, datetime) else None


def _in_nairobi(when: datetime) -> datetime:
    """A time without zone is Nairobi's."""
    return when if when.tzinfo else when.replace(tzinfo=NAIROBI)


def key_time(text: str, zone: timezone = timezone.utc) -> datetime | None:
    """The time written in an object's key or in a text, `zone` if it names none; None if there is none."""
    match = _KEY_TIME.search(text)
    if not match:
        epoch = re.search(r"(?<!\d)\d{13}(?!\d)|(?<!\d)\d{10}(?!\d)", text)
        return _read_time(int(epoch[0])) if epoch else None
    *numbers, micros_text, millis_text, offset = match.groups()
    fraction = int((micros_text or millis_text or "").ljust(6, "0"))
    try:
        if offset:
            zone = datetime.strptime("+0000" if offset == "Z" else offset.ljust(5, "0"), "%z").tzinfo  # type: ignore[assignment]
        when = datetime(*(int(number or 0) for number in numbers), fraction, tzinfo=zone)  # type: ignore[misc,arg-type]
        return when.astimezone(timezone.utc)
    except (ValueError, OverflowError):  # no such date; beyond what PostgreSQL gives back to Python
        return None
