"""Times as exporters write them: in records, in metadata, in the keys of objects."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

NAIROBI = timezone(timedelta(hours=3))

_KEY_TIME = re.compile(
    r"(?<!\d)(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:[T_ -]?(\d\d)(?:[:_.-]?(\d\d)(?:[:_.-]?(\d\d)(?:[.,](\d{1,6})\d*|-(\d{3})(?=Z))?)?|(?<=T\d\d))"
    r" ?(Z|[+-]\d\d(?::?\d\d)?)?|(?![T_ -]?\d))(?!\d)"
)


def read_time(value: Any) -> datetime | None:
    """The time in a datetime, ISO 8601 text, or epoch seconds or milliseconds; else None."""
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if re.fullmatch(r"\d{9,13}(\.\d+)?", text) else key_time(text, NAIROBI)
    if isinstance(value, (int, float)) and 1e8 < value < 1e13:
        return datetime.fromtimestamp(value / 1000 if value >= 1e11 else value, timezone.utc)
    return in_nairobi(value) if isinstance(value, datetime) else None


def in_nairobi(when: datetime) -> datetime:
    """A time without zone is Nairobi's."""
    return when if when.tzinfo else when.replace(tzinfo=NAIROBI)


def key_time(text: str, zone: timezone = timezone.utc) -> datetime | None:
    """The time written in an object's key or in a text, `zone` if it names none; None if there is none."""
    match = _KEY_TIME.search(text)
    if not match:
        epoch = re.search(r"(?<!\d)\d{13}(?!\d)|(?<!\d)\d{10}(?!\d)", text)
        return read_time(int(epoch[0])) if epoch else None
    *numbers, micros_text, millis_text, offset = match.groups()
    fraction = int((micros_text or millis_text or "").ljust(6, "0"))
    try:
        if offset:
            zone = datetime.strptime("+0000" if offset == "Z" else offset.ljust(5, "0"), "%z").tzinfo  # type: ignore[assignment]
        when = datetime(*(int(number or 0) for number in numbers), fraction, tzinfo=zone)  # type: ignore[misc,arg-type]
        return when.astimezone(timezone.utc)
    except (ValueError, OverflowError):  # no such date; beyond what PostgreSQL gives back to Python
        return None
