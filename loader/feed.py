"""From an object's bytes to records: their ids, their times, and what is wrong with single ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from loader.envelope import LooseHead, buffered, split
from loader.failures import RefusedObject
from loader.repair import MAX_DEPTH, Repairs
from loader.times import in_nairobi, read_time

LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)  # stands for no time at all where times are compared
NEVER = 2100  # and years after it: an exporter's word for no time, say 9999-12-31
MAX_ID_BYTES = 1000
SHORT_ITEM_BYTES = 256
ENDS_BYTES = 1 << 16  # where a Buffer that is all of an object says so
MANY_PROBLEMS = 1000
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


class Head(Struct, gc=False):
    """The few fields of a record that landing needs, as nearly all records have them."""

    id: int | str | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass
class Source:
    """Where a feed came from. `stated`: the export time is its own word, not the modification time."""

    mode: str
    key: str
    etag: str | None
    exported_at: datetime | None
    stated: bool
    started_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


@dataclass
class Feed:
    """The records of one object as exported, each at its slot. Only those that may have changed are read.

    `ids`, `times` (aware) and `problems` are what was read last; None where nothing was, or it is unknown.
    """

    raws: list[Raw | bytes]
    record_count: str = "null"  # as written in the metadata
    exported_at: datetime | None = None
    originals: dict[int, bytes] = field(default_factory=dict)  # the bytes before their repair
    cut: set[int] = field(default_factory=set)  # the slots of records that were nested too deep
    given_ids: list[str] | None = None  # known from elsewhere, whatever the records say
    ids: list[Any] = field(default_factory=list)
    times: list[datetime | None] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)  # why a record cannot be landed

    def digests(self, slots: Iterable[int]) -> Iterator[bytes]:
        """Digests of the records in these slots, as exported."""
        originals, raws = self.originals, self.raws
        for slot in slots:
            yield blake2b(originals.get(slot) or raws[slot], digest_size=16).digest()

    def original(self, slot: int) -> bytes:
        """The record's bytes as exported."""
        return self.originals.get(slot) or bytes(self.raws[slot])

    def read(self, slots: Iterable[int]) -> tuple[list[int], int]:
        """Read id and time of the records in these slots, ascending, and find the problems among them.

        Gives the slots of the newest version of each id, and how many older versions stand beside them.
        """
        raws, unusual = self.raws, self.cut if self.given_ids is None else range(len(self.raws))
        ids: list[Any] = [None] * len(raws)
        times: list[datetime | None] = [None] * len(raws)
        self.ids, self.times, self.problems = ids, times, {}
        found: list[int] = []
        decode = msgspec.json.Decoder(Head).decode
        for slot in slots:
            try:
                head = decode(raws[slot])
                id: Any = head.id
                if id.__class__ is int:
                    id = str(id)
                when = None if head.updated_at is None else in_nairobi(head.updated_at)
                if head.deleted_at is not None:
                    when = max(when or LONG_AGO, in_nairobi(head.deleted_at))
                is_odd = not id or len(id) > 200 or id.isspace() or slot in unusual
                if is_odd or (when and when.year >= NEVER):
                    raise msgspec.ValidationError  # to be looked at more closely
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                id, when, problem = self._read_closely(slot)
                if problem:
                    ids[slot], self.problems[slot] = id, problem
                    if len(self.problems) > MANY_PROBLEMS:
                        self.check()
                    continue
            found.append(slot)
            ids[slot], times[slot] = id, when
        if len({ids[slot] for slot in found}) == len(found):
            return found, 0
        newest: dict[str, int] = {}
        for slot in found:
            held = newest.setdefault(ids[slot], slot)
            if held != slot and (times[slot] or LONG_AGO) >= (times[held] or LONG_AGO):
                newest[ids[slot]] = slot
        return list(newest.values()), len(found) - len(newest)

    def check(self) -> None:
        """Refuse an object of which nothing is a record, or most is none: it is damaged as a whole."""
        bad, seen = len(self.problems), len(self.raws)
        if self.given_ids is None and bad and (bad == seen or bad > max(MANY_PROBLEMS, seen / 2)):
            first = min(self.problems)
            some = "nothing of it" if bad == seen else "less than half of it"
            said = f"{some} is a record that can be landed ({seen} items;"
            raise RefusedObject(f"{said} item {first + 1}: {self.problems[first]})")

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
        times = [read_time(_value(part)) for part in (head.updated_at, head.deleted_at) if part is not UNSET]
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
    ends = body[:ENDS_BYTES] + body[-ENDS_BYTES:]
    if b'"Buffer"' in ends and (inner := buffered(body)) is not None:
        return parse(inner)
    repairs = Repairs(body)
    repairs.replace_unstorable()
    try:
        records, metadata = split(body)
    except RecursionError:
        repairs.cut_depth()
        records, metadata = split(body)
    # Each record has a brace: where short items have fewer, it is not worth the time to look at each.
    are_short = len(body) < SHORT_ITEM_BYTES * len(records)
    if are_short and len(records) - body.count(b"{") > max(MANY_PROBLEMS, len(records) / 2):
        raise RefusedObject(f"most of its {len(records)} items are no objects")
    feed = Feed([*records], bytes(metadata.record_count).decode(errors="replace"))
    feed.originals, feed.cut = repairs.undone(records)
    for raw in (metadata.exported_at, metadata.generated_at, metadata.timestamp):
        feed.exported_at = feed.exported_at or read_time(_value(raw))
    return feed


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
