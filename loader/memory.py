"""How much memory one object may take: a few times FUEL_MAX_OBJECT_MB, so that none takes the machine's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

TIMES, SPARE = 3.5, 100 << 20  # for the largest object that is allowed, its bytes included
PER_RECORD = 300  # bytes that a record takes beside its own: its id, its time, its places in lists


def budget(max_object_bytes: int) -> int:
    """The bytes that one object may take."""
    return int(TIMES * max_object_bytes) + SPARE


def check_fits(records: int, max_object_bytes: int) -> None:
    """Raise MemoryError for an object of so many records, before it has taken all there is, bit by bit."""
    if records * PER_RECORD > budget(max_object_bytes):
        raise MemoryError


@contextmanager
def bounded_memory(max_object_bytes: int) -> Iterator[None]:
    """Within it, what does not fit raises MemoryError, where Linux would end the process or its neighbours.

    Some 7,800 bytes of gzip hold four million items.
    """
    used = Path("/proc/self/statm")
    if resource is None or not used.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    in_use = int(used.read_text().split()[5]) * resource.getpagesize()
    limit = in_use + budget(max_object_bytes)
    if soft == resource.RLIM_INFINITY or limit < soft:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
