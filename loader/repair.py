"""Repairs of an object's bytes in place, so that the rest can be read: no byte moves, all can be undone."""

from __future__ import annotations

import re
from bisect import bisect_left

from msgspec import Raw

from loader.failures import RefusedObject

MAX_DEPTH = 500  # far below what Python's and PostgreSQL's stacks bear, far above any record

# Few feeds hold anything that so much as looks like what jsonb cannot hold.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# Every escape is matched, so that an escaped backslash before `u0000` is taken for the plain text it is.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]HH\\u[dD][c-fC-F]HH|(u0000|u[dD][89a-fA-F]HH)|.)".replace(b"H", b"[0-9a-fA-F]"),
    re.DOTALL,
)
# A text that is never closed matches too: one way to match and none to fail, so it is passed over only once.
_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


class Repairs:
    """The repairs of one object: by offset in its body, what stood there."""

    def __init__(self, body: bytearray) -> None:
        self._body = body
        self._before: dict[int, bytes] = {}

    def replace_unstorable(self) -> None:
        """Put U+FFFD in place of each NUL and each half character, which jsonb cannot hold."""
        if _SUSPECT.search(self._body):
            for start in [match.start() for match in _ESCAPE.finditer(self._body) if match[1]]:
                self._patch(start, b"\\ufffd")

    def cut_depth(self) -> None:
        """Put a zero in place of whatever is nested too deep: the other records can be read then."""
        depth, start = 0, 0
        cuts = []
        for match in _BRACKET.finditer(self._body):
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
            self._patch(start, b"0".ljust(end - start))

    def _patch(self, start: int, replacement: bytes) -> None:
        end = start + len(replacement)
        self._before[start] = bytes(self._body[start:end])
        self._body[start:end] = replacement

    def undone(self, records: list[Raw]) -> tuple[dict[int, bytes], set[int]]:
        """By slot, each repaired record's bytes as they were before; and the slots of those that were cut."""
        originals: dict[int, bytes] = {}
        cut: set[int] = set()
        offsets = sorted(self._before)
        end = 0
        for slot, raw in enumerate(records if offsets else ()):
            whole = bytearray(raw)
            start = self._body.index(whole, end)
            end = start + len(whole)
            for offset in offsets[bisect_left(offsets, start) : bisect_left(offsets, end)]:
                before = self._before[offset]  # of a cut, and then of what it holds
                whole[offset - start : offset - start + len(before)] = before
                originals[slot] = b""
                if before[:1] in (b"[", b"{"):
                    cut.add(slot)
            if slot in originals:
                originals[slot] = bytes(whole)
        return originals, cut
