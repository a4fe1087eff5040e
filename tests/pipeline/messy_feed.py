"""A feed as people type it: misspelt, unreadable, long, with messages and phone numbers."""

from __future__ import annotations

import random
from typing import Any

PHONES = ("0712345678", "+254 722 345 679", "254-733-345-680", "0744 345681")
MESSAGE = "habari boss nimejaza"
# Four bytes a letter, none repeated: 500 of them and what they stand for are more than an index entry holds.
A_WHOLE_PAGE = "".join(map(chr, random.Random(1).sample(range(0x20000, 0x2A000), 5_000)))


def messy_feed() -> list[dict[str, Any]]:
    departments = ["sales", "SALES", "Slaes", "slaes!", 'Spares, "tools"', "Zebra", "null.", "?!", None]
    fuels = ["diesel", "petrol", "Dieseeeel oil", "xyz", None]
    records: list[dict[str, Any]] = []
    for number in range(200):
        records.append(
            {
                "id": number,
                "car": f"KCA {100 + number % 7}Q",
                "driver": "J. Mwangi",
                "department": departments[number % len(departments)],
                "fuel_type": fuels[number % len(fuels)],
                "litres": f"{30 + number % 11}.{number % 10}L",
                "amount": f"KES {5000 + 37 * number}.{number % 100:02}",
                "odometer": f"{50000 + 300 * (number // 7)} km",
                # Around a month's end: 31 January 22:00 UTC is February in Nairobi.
                "datetime": f"2026-{1 + number // 100:02}-{1 + number % 28:02}T22:00:00Z",
                "deleted_at": "2026-03-01T00:00:00Z" if number % 50 == 0 else None,
                "message": f"{MESSAGE} {PHONES[number % len(PHONES)]}",
            }
        )
    for number, phone in enumerate(PHONES, start=1000):
        records.append({
            "id": number, "car": f"KCA 101Q {phone}", "driver": f"Otieno {phone}",
            "department": f"Yard {phone}", "fuel_type": f"super {phone}", "litres": "20", "amount": "3600",
            "datetime": "2026-02-01T08:00:00Z",
            "message": f"{MESSAGE} {phone}", "phone": phone, "from": phone,
        })  # fmt: skip
    records += [
        {"id": 2001, "car": "KCA 101Q", "litres": "0", "amount": "free", "datetime": "2126-01-01T08:00:00Z"},
        {"id": 2002, "litres": "many", "amount": "100", "odometer": "3,000,000 km"},
        {
            "id": 2003, "car": "KCA 101Q", "department": A_WHOLE_PAGE, "fuel_type": A_WHOLE_PAGE[::-1],
            "litres": "20", "amount": "3600", "datetime": "2026-02-02T08:00:00Z",
        },
        {"id": 2004, "litres": "many", "deleted_at": "2026-03-01T00:00:00Z"},
        {"id": 2005, "litres": "many"},
    ]  # fmt: skip
    return records
