"""The shapes of an export: where the records are in an object."""

from __future__ import annotations

import gzip
import re
import zlib
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from loader.failures import RefusedObject


class Envelope(Struct):
    """`{"metadata": {…}, "records": […]}` or `{"data": […]}`."""

    metadata: Raw | UnsetType = UNSET
    records: list[Raw] | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


class Metadata(Struct):
    """The envelope's account of itself; the time under any of the names in use."""

    record_count: Raw = Raw(b"null")
    exported_at: Raw = Raw(b"null")
    generated_at: Raw = Raw(b"null")
    timestamp: Raw = Raw(b"null")


class LooseHead(Struct):
    """The few fields of a record that landing needs, whatever they hold, and those of what wraps it."""

    id: Raw | UnsetType = UNSET
    updated_at: Raw | UnsetType = UNSET
    deleted_at: Raw | UnsetType = UNSET
    json: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    records: Raw | UnsetType = UNSET
    metadata: Raw | UnsetType = UNSET


class Buffer(Struct):
    """Bytes as Node writes them in JSON: `{"type": "Buffer", "data": [91, 123, …]}`."""

    type: Literal["Buffer"]
    data: list[int]


def buffered(document: bytearray | Raw) -> bytearray | None:
    """The bytes of a Buffer of Node's that is all of a document, or all of its one item; else None."""
    try:
        if isinstance(document, bytearray) and document.lstrip()[:1] == b"[":
            items = msgspec.json.decode(document, type=list[Raw])
            return buffered(items[0]) if len(items) == 1 else None
        head = msgspec.json.decode(document, type=LooseHead)
        if head.id is UNSET:
            for part in (head.json, head.data):
                if part is not UNSET and (inner := buffered(part)) is not None:
                    return inner
        data = bytearray(msgspec.json.decode(document, type=Buffer).data)
        return bytearray(gzip.decompress(data)) if data[:2] == b"\x1f\x8b" else data
    except (msgspec.MsgspecError, RecursionError, OSError, EOFError, zlib.error, ValueError):
        return None


def split(body: bytearray) -> tuple[list[Raw], Metadata]:
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
    # An item with an id is a record, unless it has the metadata of an export, or holds nothing but records.
    if has_id and envelope.metadata is UNSET and not _are_records(records):
        return None
    try:
        return records, msgspec.json.decode(envelope.metadata or b"{}", type=Metadata)
    except msgspec.MsgspecError:
        return records, Metadata()
