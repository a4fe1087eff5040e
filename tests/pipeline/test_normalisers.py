"""The normalisers, as functions and as macros, over tables of cases and over arbitrary text."""

# Tables of look-alike characters, many to a line.
# ruff: noqa: E501, RUF001

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo import servers
from tests.conftest import ROOT, Database, Dbt, fresh_database

NAMES = (
    "norm_plate",
    "parse_number",
    "parse_timestamp",
    "alias_key",
    "canon_fuel_type",
    "canon_department",
    "canon_driver",
)

PLATES = {
    # The usual form, however it is typed.
    **dict.fromkeys(
        [
            "KCA 542Q", "kca-542q", "KCA542Q", "kcA 542q", " kca 542 q ", "K.C.A. 542Q", "KCA_542_Q",
            "K C A 5 4 2 Q", "ＫＣＡ　５４２Ｑ", "KCA\u00a0542Q", "KCA\u202f542Q", "KC\u200bA 542Q", "\u202aKCA 542Q\u202c",
            "\ufeffKCA 542Q", "KCA\u2060542Q", "K\u00adCA 542Q", "KCA 542Q\u200e", "KCA\U000e0020542Q", "KCA\n542Q",
            "KCA\t542Q", "🚗 KCA 542Q", "KCA–542Q", "(KCA 542Q)", "KCA 542Q.", "Kca542q",
        ],
        "KCA542Q",
    ),
    # O and I in digit positions; letters are never made of digits.
    "KCA 5O2Q": "KCA502Q", "KCA O12Q": "KCA012Q", "KCA 54IQ": "KCA541Q", "KCA OO1Q": "KCA001Q", "kca 5o2q": "KCA502Q",
    "K0A 542Q": "K0A542Q", "KCA 5420": "KCA5420", "KCA 5421": "KCA5421", "KC1 542Q": "KC1542Q",
    "29 CD I9 K": "29CD19K", "47 CG 4O6A": "47CG406A", "KMDA I23X": "KMDA123X", "ZC I234": "ZC1234",
    # Words before and after.
    "KCA 542Q (Isuzu)": "KCA542Q", "KCA542Q John": "KCA542Q", "KCA 542Q - Isuzu FRR": "KCA542Q", "Car KCA 542Q": "KCA542Q",
    "Reg: KCA 542Q": "KCA542Q", "KCA 542Q 45.5L": "KCA542Q", "fuel update KCA 542Q 45.5l KES 8,190": "KCA542Q",
    "KCA 542Q KSH 500": "KCA542Q", "KCA 542Q 182440 KMS": "KCA542Q", "KAA 123 (old)": "KAA123",
    # Trailers give way to vehicles; two vehicles are no answer.
    "KCA 542Q/ZC 1234": "KCA542Q", "KCA542Q-ZC1234": "KCA542Q", "ZC 1234 / KCA 542Q": "KCA542Q", "KCA 542Q + ZF1234": "KCA542Q",
    "KCA 542Q/KCA 542Q": "KCA542Q", "KCA 542Q & kca542q": "KCA542Q",
    "KCA 542Q / KDB 123A": None, "KCA542Q KDB123A": None, "KCA 542Q and KMDA 123X": None, "KCA 542Q, GKA 123B": None,
    "KCA 542Q KDB 123A ZC 1234": None, "ZC 1234 / ZD 4321": None,
    # A trailer beside what may be a vehicle of an unknown form is no answer.
    "BOSS 1/ZC 1234": None, "UAX 123B/ZC 1234": None, "K0A 542Q/ZC 1234": None, "ZC 1234/ZC1234": "ZC1234",
    # Letters and digits of other scripts: nothing is read across them, nor without them.
    "KСA 542Q": None, "КCА 542Q": None, "KCA 542С": None, "KÇA 542Q": None, "KC\u0301A 542Q": None, "KCA5٤2Q": None,
    "KCA 5А2Q": None, "車 KCA 542Q": "KCA542Q", "KCA 542Q (Ñandu)": "KCA542Q", "🇰🇪 KCA 542Q": "KCA542Q", "KCA•542Q": "KCA542Q",
    # Phone numbers, dates and distances beside a plate take none of its digits, and none of them become a plate.
    "GK 1234 0712345678": "GK1234", "GK 1234, 01/11/2026": "GK1234", "KAA-123 (0712 345 678)": "KAA123", "KAA 123/45,678 km": "KAA123",
    "0712345678 47 CG 456A": "47CG456A", "+254712345678 29 CD 19 K": "29CD19K", "0712 345 678 47CG456A": "47CG456A", "29 CD 19 0712345678": "29CD19",
    "KCA 542Q 0712345678": "KCA542Q", "KCA 542Q0712345678": "KCA542Q", "0712345678KCA 542Q": "KCA542Q", "K C A 5 4 2 Q 0712345678": "KCA542Q",
    "UAX 123B 0712345678": "UAX123B", "0712-345-678 BOSS 1": "BOSS1", "KAA 123 0712345678 J. Mwangi": "KAA123", "ZC 1234 0712345678": "ZC1234", "BOSS 1/ZC 1234 0712345678": None,
    "KAA 123 0712345678 / KBB 456A": None, "KAA 1230712345678": None, "T0712345": None, "T 07 12 34 5": None, "KES 500 0712345678": None,
    # Other known forms.
    "KAA 123": "KAA123", "KMDA 123X": "KMDA123X", "kmda-123x": "KMDA123X", "KTWB 456C": "KTWB456C", "JCB KHMA 123A": "KHMA123A", "KHMA 123A tractor": "KHMA123A", "GKA 123B": "GKA123B",
    "GK A 123 B": "GKA123B", "GK 1234": "GK1234", "47 CG 456A": "47CG456A", "1 CG 001A": "1CG001A", "29 CD 19 K": "29CD19K",
    "29CD19K": "29CD19K", "108 UN 23 K": "108UN23K", "ZC 1234": "ZC1234", "ZG 1234A": "ZG1234A", "Trailer ZC 1234": "ZC1234",
    "KMDA 123X John": "KMDA123X", "KTWB 456C tuk tuk": "KTWB456C", "GK 1234 (police)": "GK1234", "47 CG 456A ambulance": "47CG456A", "GKA 123B (police)": "GKA123B",
    # Plausible others are kept as they are.
    "BOSS 1": "BOSS1", "ELVIS 01": "ELVIS01", "UHURU1": "UHURU1", "T 123 ABC": "T123ABC", "UAX 123B": "UAX123B",
    "KCA 54Q": "KCA54Q", "O1O1O1": "O1O1O1", "HE 1": "HE1", "MATATU 12": "MATATU12",
    # No plate.
    **dict.fromkeys(
        [
            "", " ", "-", "n/a", "N/A", "none", "unknown", "no plate", "Isuzu", "Generator", "John", "KCA", "542", "542Q",
            "12345", "0712345678", "+254 712 345 678", "45.5L", "20 L", "182,440 km", "KES 500", "KES 8,190", "KSH 5000",
            "Ksh 500", "kms 182", "7:30am", "hello world", "jerrycan 20L", "\u200b", "\u00a0", "????", "🚗", "KCA542QJOHN",
            "2026-11-01", "true", "日本", "KCAOOOQ", "NOV 25", "june 5", "Nov 1, 2026", "Fuel 45", "diesel 20L", "LTS 45", "AT 730",
            "cash 500", "total 8190", "N/A 0", "none 0", "Iñaki 1", "H1", "MATATU 123", "KCA" + " " * 200 + "542Q",
        ]
    ),
}  # fmt: skip

NUMBERS: dict[str, str | None] = {
    "0": "0", "45": "45", "45.5": "45.5", "45.": "45", ".5": "0.5", "0.5": "0.5", "007": "7", " 45 ": "45", "+45": "45",
    "-45.5": "-45.5", "−45,5 L": "-45.5", "1e3": "1000", "1.8244E+05": "182440", "1E-2": "0.01",
    "45.5L": "45.5", "45.5 l": "45.5", "45.5 ltrs": "45.5", "45.5ltr": "45.5", "45 Litres": "45", "45 liters.": "45",
    "45 lts": "45", "lita 45": "45", "45 lita": "45", "45 lit": "45", "45 litters": "45", "45 litrs": "45", "lts 45": "45", "litres: 45.5": "45.5", "45.5 L.": "45.5",
    "1,234.50": "1234.50", "1,234": "1234", "12,345,678": "12345678", "12 345": "12345", "12\u00a0345": "12345",
    "12\u202f345": "12345", "12'345": "12345", "12’345.5": "12345.5", "182,440 km": "182440", "182440KM": "182440",
    "182 440 kms": "182440", "182440 kilometres": "182440", "odo 182440": "182440", "ODO: 182,440 km": "182440",
    "mileage 182440": "182440", "㎞ 5": "5",
    "KES 8,190": "8190", "KES8190": "8190", "kes. 8190": "8190", "KES 8,190.00": "8190.00", "Ksh 5000/=": "5000",
    "KSh5,000": "5000", "Kshs. 8,190.00": "8190.00", "8190.00/-": "8190.00", "8,190/=": "8190", "8,190 /=": "8190",
    "8190 bob": "8190", "Sh 500": "500", "500 shillings": "500", "5000 ksh": "5000", "5000ksh": "5000", "8190 KES": "8190",
    # A dash that touches the label, or stands alone, is no sign; one that touches the number alone is.
    "Odo-182440": "182440", "mileage-182,440 km": "182440", "Litres-45.5": "45.5", "Odo:-182440": "182440", "odometer - 182440": "182440",
    "Litres:- 45,5": "45.5", "total–8190": "8190", "Litres -45": "-45", "litres: -45": "-45", "KES -500": "-500", "Ksh. -500": "-500",
    **dict.fromkeys(["Ksh-8190", "KES-8,190", "kes- 8190", "KES - 8190", "Ksh.-5k", "KES:-8190", "bob-500", "Odo--5", "Odo:--5", "KES+500"]),
    "total: 8190": "8190", "KES.500": "500", "Amount: KES 8,190": "8190", "Total - Ksh 8,190/=": "8190", "Cost KES": None,
    "8,190/= only": "8190", "KES 8,190 only.": "8190", "K.Sh. 5,000": "5000", "K.Shs 500": "500", "KES KES 500": None, "only 500": None,
    # Shillings and kilometres have no thousandths, litres and bare numbers may.
    "KES 8.190": "8190", "Ksh 8.190/=": "8190", "8.190 bob": "8190", "8.190/-": "8190", "45.500 L/=": "45.500", "182.440 km": "182440", "ODO: 182.440": "182440",
    "Ksh.12.500": "12500", "-8.190 KES": "-8190", "1.234.567 km": "1234567", "KES 8.19": "8.19", "KES 8.1905": "8.1905", "KES 0.190": "0.190",
    "KES 8190.500": "8190.500", "45.500 L": "45.500", "45.500L": "45.500", "total: 45.500 litres": "45.500", "Amount 8.190": "8.190", "105.3 km": "105.3",
    "5k": "5000", "5.5K": "5500", "5 k": "5000", "5k/=": "5000", "KES 5k": "5000", "5km": "5", "5 km": "5", "5kes": "5",
    "5ksh": "5", "5k ksh": "5000", "5,5k": "5500", "5,25 K": "5250",
    "45,5": "45.5", "45,50": "45.50", "1,23": "1.23", "0,500": "0.500", "1.234,50": "1234.50", "1 234,5": "1234.5",
    "1.234.567": "1234567", "1.234": "1.234", "45,5 L": "45.5", "45,5ksh": "45.5", "45,5 kes": "45.5",
    "５０": "50", "４５．５Ｌ": "45.5", "٤٥": "45", "۴۵٫۵": "45.5", "1٬234": "1234", "𝟒𝟓": "45", "45\u200b.5": "45.5",
    # In place of a NUL, or of a blank in another encoding.
    "8,190\ufffd": "8190", "\ufffd45.5 L\ufffd": "45.5", "KES\ufffd8\ufffd190": "8190", "45\ufffd5": None,
    "999999999": "999999999", "-999999999": "-999999999", "999999999.4": "999999999.4",
    **dict.fromkeys(
        [
            "", " ", "-", ".", ",", "n/a", "none", "null", "true", "L", "KES", "k", "45.5 ltrs @ 180", "45 x 180", "20+25",
            "20-25", "20/25", "1/2", "45½", "45²", "①", "45①", "12 34", "1,23,456", "12,3456", "1 2 3", "01/11/2026",
            "2026-11-01", "10:42", "2026-11-01T07:42:00.000Z", "KCA 542Q", "--5", "+-5", "5-", "45.5.5", "45..5", "100%",
            "1e400000", "1e99", "-1e99", "1" * 400, "9" * 99, "1000000000", "999999999.5", "-1000000000", "Infinity",
            "-Infinity", "NaN", "inf", "0x1F", "1_000", "1e", "e5", "45 units", "full tank", "0712345678901", "5kk", "５０²",
            "5,000k", "5,k",
            "5" + " " * 200, "१२",
        ]
    ),
}  # fmt: skip

UTC_0742 = "2026-11-01T07:42:00+00:00"
NAIROBI_0742 = "2026-11-01T04:42:00+00:00"
NAIROBI_DAY = "2026-10-31T21:00:00+00:00"
NO_DAYS = [("02", "29"), ("02", "30"), ("02", "31"), ("04", "31"), ("06", "31"), ("09", "31"), ("11", "31")]
TIMESTAMPS: dict[str, str | None] = {
    **dict.fromkeys(
        [
            "2026-11-01T07:42:00.000Z", "2026-11-01T07:42:00Z", "2026-11-01T07:42Z", "2026-11-01t07:42:00z",
            "2026-11-01 07:42:00 UTC", "2026-11-01T10:42:00+03:00", "2026-11-01T10:42:00+0300", "2026-11-01T10:42+03",
            "2026-11-01T04:12:00-0330", "2026-11-01 10:42:00.000+03", "Sun, 01 Nov 2026 07:42:00 GMT",
            "Sun Nov 01 2026 10:42:00 GMT+0300 (East Africa Time)", "2026-11-01T10:42:00+03:00[Africa/Nairobi]",
            " 2026-11-01T07:42:00.000Z ", "2026-11-01T07:42:00,000Z", "2026-11-01\u00a007:42Z", "2026-11-01T07:42:00.000Z\ufffd",
            "2026-11-01\ufffd07:42Z", "1793518920", "1793518920000",
            "1793518920.0", "1.79351892e9", "1.79351892E+12", "01/11/2026 10:42 EAT",
        ],
        UTC_0742,
    ),
    **dict.fromkeys(
        [
            "2026-11-01T07:42:00", "2026-11-01T07:42", "2026-11-01 07:42:00", "2026-11-01 07:42", "2026/11/01 07:42",
            "01/11/2026 07:42", "1/11/2026 7:42", "01/11/2026 07:42:00", "01-11-2026 07:42", "01.11.2026 07:42",
            "01.11.26 07:42", "1/11/26 7:42 am", "01/11/2026 07:42 AM", "01/11/2026, 07:42", "01/11/2026 07.42",
            "01/11/2026 07:42 hrs", "01/11/2026 07:42 hours", "01/11/2026 0742hrs", "2026-11-01 0742 hours", "1 Nov 26, 0742 hrs", "1 Nov 2026 07:42", "1 November 2026 at 7:42 a.m.", "Nov 1, 2026 7:42", "1st Nov 2026 07:42",
            "Sunday 1 November 2026, 07:42", "０１/１１/２０２６ ０７:４２",
        ],
        NAIROBI_0742,
    ),
    **dict.fromkeys(
        ["2026-11-01", "01/11/2026", "1/11/2026", "01-11-2026", "01.11.26", "2026/11/1", "Nov 1, 2026", "2026-11-01 00:00",
         "1/11/2026 12:00 AM", "2026-10-31T24:00", "2026-10-31T21:00:00.000Z"],
        NAIROBI_DAY,
    ),
    "1/11/2026 7:42 PM": "2026-11-01T16:42:00+00:00", "1/11/2026 19:42 pm": "2026-11-01T16:42:00+00:00",
    **dict.fromkeys(["1/11/2026 7pm", "1 Nov 2026 at 7 p.m.", "01.11.26, 7 PM"], "2026-11-01T16:00:00+00:00"),
    "1/11/2026 12am": NAIROBI_DAY, "2026-11-01 2400hrs": "2026-11-01T21:00:00+00:00",
    "1/11/2026 12:42 PM": "2026-11-01T09:42:00+00:00",
    "2026-11-01T07:42:00.123456Z": "2026-11-01T07:42:00.123456+00:00",
    "2026-11-01T07:42:00.123Z": "2026-11-01T07:42:00.123000+00:00",
    "1793518920123": "2026-11-01T07:42:00.123000+00:00",
    "2026-12-31T07:42:00.000Z": "2026-12-31T07:42:00+00:00", "2026-01-30T07:42:00.000Z": "2026-01-30T07:42:00+00:00",
    "2026-11-01T24:00:00Z": "2026-11-02T00:00:00+00:00", "2016-12-31T23:59:60Z": "2017-01-01T00:00:00+00:00",
    "2000-02-29": "2000-02-28T21:00:00+00:00", "2028-02-29T00:00:00.000Z": "2028-02-29T00:00:00+00:00",
    "2000-01-01T00:00:00.000Z": "2000-01-01T00:00:00+00:00", "2099-12-31T23:59:59.999Z": "2099-12-31T23:59:59.999000+00:00",
    "1/1/26": "2025-12-31T21:00:00+00:00", "946684800": "2000-01-01T00:00:00+00:00", "946684800000": "2000-01-01T00:00:00+00:00",
    "01/01/15": "2014-12-31T21:00:00+00:00", "2026-11-01T07:42:60.000Z": "2026-11-01T07:43:00+00:00",
    **dict.fromkeys(
        [
            "", " ", "n/a", "now", "today", "yesterday", "infinity", "-infinity", "epoch", "allballs", "2026-02-31", "2026-02-29",
            "31/04/2026", "29/02/2027",
            *(f"2026-{month}-{day}T07:42:00.000Z" for month, day in NO_DAYS), *(f"{day}/{month}/2026 07:42" for month, day in NO_DAYS),
            "2026-11-01T24:42:00.000Z", "2026-11-01T07:60:00.000Z", "2026-11-01T07:42:61.000Z", "01/11/2026 24:42", "01/11/2026 07:60",
            "2026-00-01T07:42:00.000Z", "2026-13-01T07:42:00.000Z", "2026-11-00T07:42:00.000Z", "2026-11-32T07:42:00.000Z",
            "01/00/2026 07:42", "01/13/2026 07:42", "00/11/2026 07:42", "32/11/2026 07:42",
            "1900-02-29", "2100-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "11/25/2026", "2026-11-01T25:00:00Z",
            "2026-11-01T24:00:01Z", "2026-11-01T07:60:00Z", "2026-11-01T07:42:61Z", "2026-11-01T07:42:00.000ZZ",
            "2026-11-01T07:42:00+99:00", "2026-11-01T07:42:00+03:60", "2026-11-01T07:42:00+3", "13:00", "07:42",
            "1/11/2026 13:42 AM", "1999-12-31", "2100-01-01", "99999-01-01", "-2026-11-01", "0000-00-00 00:00:00",
            "0001-01-01T00:00:00.000Z", "946684799", "4102444800", "4102444800000", "1793518920000000", "-1793518920", "0",
            "1e400000", "9" * 400, "NaN", "45.5L", "KCA 542Q", "2026-11", "2026", "20--11-01T07:42:00.000Z",
            "20T6-11-01T07:42:00.000Z", "2026-11-01T07:42:00.-00Z", "1 Foo 2026", "2026-W44-7", "1/2/3/4", "01/11/2026 7",
            # Two digits that are no year of a fill, and a year that came first.
            "31/12/99", "31/12/14", "1/1/00", "26-11-05", "26/11/05", "1/1/50",
            "25/9/6", "26-11-5", "21/11/2", "25 nov 6", "15/3/1 07:42", "1/11/26th",
            "1/11/2026 742hrs", "1/11/2026 2560hrs", "1/11/2026 13am", "2026 11 01 pm", "0742hrs", "7pm", "1/11/2026 7", "1/11/2026 0742",
            # Neither an offset nor a half of the day without a time, no two zones, no zone that we do not know.
            "1/11/2026-07:42", "2026-11-01-05", "2026-11-01 PM", "2026-11-01T07:42:00Z+03:00", "2026-11-01T07:42[America/New_York]",
            "2026-11-01 07:42 (EST)", "2026-11-01 (07:42)",
        ]
    ),
}  # fmt: skip

KEYS = {
    "Field Ops": "field ops", " field-ops ": "field ops", "FIELD  OPS": "field ops", "Field.Ops!": "field ops",
    "Field/Ops": "field ops", "Field\tOps": "field ops", "Ｆｉｅｌｄ Ops": "field ops", "Fi\u200beld Ops": "field ops",
    "“Field” Ops": "field ops", "🚗 Field Ops": "field ops", "H.R.": "h r", "ıct": "ict", "日本": "日本", "Dept 2": "dept 2",
    **dict.fromkeys(["", " ", "-", "...", "\u200b", "\u00a0", "“”", "🚗", "—"]),
}  # fmt: skip

FUELS = {
    **dict.fromkeys(["Diesel", "DISIEL", "diesel.", "AGO", "ago", "dizeli", "Gas-oil", "GASOIL", "deisel", "dieesl", "diesle",
                     "disel", "diezel", "dieselx", "iesel", "V-Power Diesel"], "diesel"),
    **dict.fromkeys(["Petrol", "PETROLI", "super", "Supper", "PMS", "unleaded", "unleded", "V-Power", "petro", "pertol",
                     "gasoline", "gasolin"], "petrol"),
    **dict.fromkeys(["kerosene", "kerosine", "paraffin", "parrafin", "mafuta taa", "Mafuta-Taa", "IK", "kerosen"], "kerosene"),
    **dict.fromkeys(["LPG", "L.P.G.", "autogas"], "lpg"),
    **dict.fromkeys(["electric", "EV", "umeme", "electrik"], "electric"),
    **dict.fromkeys(["", " ", "-", "n/a", "pgl", "agx", "water", "petroleum", "gas", "solar", "engine oil", "die", "dieselpetrol", "dsl wsl", "12", "日本"]),
}  # fmt: skip

DEPARTMENTS = {
    **dict.fromkeys(["Logistcs", "logistics", "LOGISTICS ", "Logistics.", "lojistiki"], "Logistics"),
    **dict.fromkeys(["ICT", "ict", "Ict", "I.C.T.", "it", "ıct"], "ICT"),
    **dict.fromkeys(["field-ops", "Field  Ops", "FIELD OPERATIONS"], "Field Operations"),
    "HR": "Human Resources", "human resources": "Human Resources",
    "new  branch": "New Branch", " NEW-BRANCH (kisumu) ": "New-Branch (Kisumu)", "branch\u200b 7": "Branch 7", "日本": "日本",
    **dict.fromkeys(["", " ", "-", "...", "\u200b", "\u00a0"]),
}  # fmt: skip


DRIVERS = {
    **dict.fromkeys(["J. Mwangi", "j mwangi", "MWANGI, J.", "J.MWANGI"], "J. Mwangi"),
    "otieno  james": "Otieno James", "O'BRIEN": "O'Brien", "\\": None, "?": None, "日本": "日本",
}  # fmt: skip


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


CASES: dict[str, dict[str, Any]] = {
    "norm_plate": PLATES,
    "parse_number": {typed: Decimal(number) if number else None for typed, number in NUMBERS.items()},
    "parse_timestamp": {typed: _moment(moment) for typed, moment in TIMESTAMPS.items()},
    "alias_key": KEYS,
    "canon_fuel_type": FUELS,
    "canon_department": DEPARTMENTS,
    "canon_driver": DRIVERS,
}
# The accent joins the plain i that lower-casing makes of the dotted capital one.
DOTTED = ["\u0130\u0300", "0\u0130\u0300A"]
EVERY_TEXT = sorted({typed for cases in CASES.values() for typed in cases} | set(DOTTED))


@pytest.fixture(scope="module", params=["pg_server", "pg15_server"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database on the newest and on the oldest PostgreSQL."""
    with fresh_database(request.getfixturevalue(request.param)) as db:
        yield db


@pytest.fixture(scope="module")
def macros(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection[Any]]:
    """A connection where temporary view `by_macro` applies each macro to `typed.x`, and feed_text to `typed.raw`."""
    dbt = Dbt(ROOT, database, tmp_path_factory.mktemp("target"))
    dbt("build", "--resource-type", "seed", "--resource-type", "function")
    columns = ", ".join(f"{{{{ {_macro(name)} }}}} as {name}" for name in NAMES)
    select = f"select x, {columns}, {{{{ feed_text('litres') }}}} as feed_text from typed"
    compiled = dbt("--quiet", "compile", "--inline", select).stdout
    with database.connect(autocommit=True) as conn:
        conn.execute("create temporary table typed (x text, raw jsonb)")
        conn.execute(f"create temporary view by_macro as {compiled}".encode())
        yield conn


def _macro(name: str) -> str:
    """The call of the macro that is the body of a function."""
    field = name.removeprefix("canon_")
    return f"{name}('x')" if field == name else f"canonical_value('{field}', 'x', ref('{field}_aliases'))"


def _by_function(conn: psycopg.Connection[Any], name: str, texts: list[str]) -> dict[str, Any]:
    rows = conn.execute(f"select x, fuel.{name}(x) from unnest(%s::text[]) as x".encode(), [texts])
    return dict(rows.fetchall())


@pytest.mark.parametrize("name", NAMES)
def test_cases(macros: psycopg.Connection[Any], name: str) -> None:
    cases = CASES[name]
    found = _by_function(macros, name, list(cases))
    assert {typed: value for typed, value in found.items() if value != cases[typed]} == {}
    assert len(found) == len(cases)
    assert macros.execute(f"select fuel.{name}(null)".encode()).fetchone() == (None,)


def _check(conn: psycopg.Connection[Any], texts: list[str]) -> None:
    """Nothing raises, macro and function agree, plates and canonical names stay themselves, numbers fit."""
    functions = ", ".join(f"fuel.{name}(x)" for name in NAMES)
    conn.execute("truncate typed")
    conn.execute("insert into typed (x) select unnest(%s::text[])", [texts])
    differing = conn.execute(
        f"select x from by_macro where ({', '.join(NAMES)}) is distinct from ({functions})".encode()
    ).fetchall()
    assert differing == []
    for name in ("norm_plate", "canon_fuel_type", "canon_department", "canon_driver", "alias_key"):
        unstable = conn.execute(
            f"select x, {name}, fuel.{name}({name}) from by_macro where {name} <> fuel.{name}({name}) "
            f"or ({name} is not null and fuel.{name}({name}) is null)".encode()
        ).fetchall()
        assert unstable == [], name
    conn.execute("select parse_number::numeric(12, 3), parse_timestamp::text from by_macro").fetchall()
    strange = conn.execute(
        "select x from by_macro where norm_plate !~ '^[A-Z0-9]+$' or parse_number = 'NaN'"
    ).fetchall()
    assert strange == []


def test_every_text_through_every_normaliser(macros: psycopg.Connection[Any]) -> None:
    _check(macros, EVERY_TEXT)


def test_long_texts(macros: psycopg.Connection[Any]) -> None:
    parts = [
        "9",
        "KCA 542Q ",
        "a",
        "(",
        "1,234 ",
        "ﷺ",
        "\u200b",
        "日",
        "2026-11-01 ",
        "[",
        "e\u0301",
        " ",
        "\n",
    ]
    _check(
        macros, [part * size for part in parts for size in (300, 100_000)] + ["KCA 542Q" + " " * 2_000_000]
    )


CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cn"])
FRAGMENTS = [
    *"KCAQOIZ0159 .,-/:+'eEkKLTZ@()=½²", "KCA", "542Q", "KMDA", "ZC 1234", "KES ", "/=", "km", "1e", "99", "2026", "-02-", "29", "T",
    "07:42", ":00.000Z", "+03:00", " pm", "Nov", "1793518920", "\u200b", "\u00a0", "\ufeff", "５", "٤", "ß", "ı", "İ", "ς", "ﷺ", "ǆ",
    "\u0345", "\u0301", "diesel", "petrol", "ict", "logist", "cs", "\n", "\t", "'", '"', "\\", "%", "$", "{", "日", "🚗",
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(
        st.text(CHARACTERS) | st.lists(st.sampled_from(FRAGMENTS)).map("".join), min_size=1, max_size=40
    )
)
def test_any_text(macros: psycopg.Connection[Any], texts: list[str]) -> None:
    _check(macros, texts)


def test_sessions_do_not_matter(macros: psycopg.Connection[Any], database: Database) -> None:
    moments = {
        typed: moment and Decimal(str(moment.timestamp()))
        for typed, moment in CASES["parse_timestamp"].items()
    }
    for options in (
        "-c timezone=America/New_York -c datestyle=SQL,MDY -c standard_conforming_strings=off",
        "-c timezone=Asia/Tokyo -c datestyle=German,DMY -c intervalstyle=sql_standard -c extra_float_digits=-15",
        "-c timezone=Africa/Nairobi -c datestyle=ISO,YMD -c search_path= -c bytea_output=escape",
    ):
        with database.connect(options=f"{options} -c escape_string_warning=off") as conn:
            for name, cases in {**CASES, "parse_timestamp": moments}.items():
                read = f"extract(epoch from fuel.{name}(x))" if cases is moments else f"fuel.{name}(x)"
                rows = conn.execute(f"select x, {read} from unnest(%s::text[]) as x".encode(), [list(cases)])
                assert {typed: value for typed, value in rows if value != cases[typed]} == {}


def test_feed_text(macros: psycopg.Connection[Any]) -> None:
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"litres": "45.5L"}, "45.5L"), ({"litres": " 45 \n"}, "45"), ({"litres": 45.50}, "45.5"), ({"litres": 0}, "0"),
        ({"litres": True}, "true"), ({"litres": None, "liters": 7}, "7"), ({"litres": "", "quantity": "8"}, "8"),
        ({"litres": "\u200b\u00a0", "liters": "9"}, "9"), ({"litres": [4], "liters": {"a": 5}, "quantity": 6}, "6"),
        ({"litres": "[4]"}, "[4]"), ({"litres": "x" * 600}, "x" * 500), ({"Litres": 4}, None), ({"litres": "  "}, None),
        ({}, None), ({"litres": "日本"}, "日本"), ({"litres": "-", "liters": 3}, "-"),
        ({"litres": "\v vat \v"}, "vat"), ({"litres": "kcy-458v"}, "kcy-458v"),
    ]  # fmt: skip
    macros.execute("truncate typed")
    for number, (raw, _) in enumerate(cases):
        macros.execute("insert into typed values (%s, %s)", [str(number), json.dumps(raw)])
    found = dict(macros.execute("select x, feed_text from by_macro").fetchall())
    assert [found[str(number)] for number in range(len(cases))] == [expected for _, expected in cases]
    macros.execute("truncate typed")
    macros.execute(
        """insert into typed values ('list', '["litres"]'), ('text', '"litres"'), ('null', 'null')"""
    )
    assert macros.execute("select distinct feed_text from by_macro").fetchall() == [(None,)]


def test_field_map(macros: psycopg.Connection[Any], database: Database, tmp_path: Path) -> None:
    """One key need not be a list; a column without a key is refused by name."""
    dbt = Dbt(ROOT, database, tmp_path / "target")
    fields = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]["feed_fields"]

    def compile_with(keys: str | list[str], *, check: bool = True) -> str:
        variables = json.dumps({"feed_fields": {**fields, "litres": keys}})
        inline = "select {{ feed_text('litres') }} as litres from typed"
        return dbt("--quiet", "compile", "--inline", inline, "--vars", variables, check=check).stdout

    macros.execute("truncate typed")
    macros.execute("insert into typed (raw) values (%s)", [json.dumps({"litres": 4, "quantity": 5})])
    assert macros.execute(compile_with("quantity").encode()).fetchall() == [("5",)]
    assert "dbt_project.yml: feed_fields names no key for litres." in compile_with([], check=False)


def test_aliases_of_ones_own(macros: psycopg.Connection[Any]) -> None:
    """A fuel is itself without an alias; near misses want five letters, and to be near to one fuel only."""
    with macros.transaction(force_rollback=True):
        macros.execute("delete from fuel.fuel_type_aliases where alias in ('lpg', 'l p g')")
        macros.execute(
            "insert into fuel.fuel_type_aliases values"
            " ('moto', 'petrol'), ('brown', 'diesel'), ('crown', 'petrol'), ('green', 'diesel'), ('greed', 'diesel')"
        )
        expected = {
            "LPG": "lpg",
            "moto": "petrol",
            "motto": None,
            "brownn": "diesel",
            "rown": None,
            "greex": "diesel",
        }
        assert _by_function(macros, "canon_fuel_type", list(expected)) == expected


def test_parallel_and_volatility(macros: psycopg.Connection[Any]) -> None:
    rows = macros.execute(
        "select proname, provolatile, proparallel, pg_get_function_arguments(oid) from pg_proc "
        "where pronamespace = 'fuel'::regnamespace and proname = any(%s)",
        [list(NAMES)],
    ).fetchall()
    assert {name: rest for name, *rest in rows} == {
        name: ["s" if name.startswith("canon") else "i", "s", "raw_value text"] for name in NAMES
    }


def test_inlined_where_promised(macros: psycopg.Connection[Any]) -> None:
    """An inlined function is not to be seen in the plan."""
    for name, inlined in [("parse_number", True), ("alias_key", True), ("norm_plate", False)]:
        plan = macros.execute(f"explain (verbose) select fuel.{name}(x) from typed".encode()).fetchall()
        assert (f"fuel.{name}" not in str(plan)) == inlined


def test_what_somebody_changed_of_a_function_is_set_right(
    pg_server: servers.Postgres, tmp_path: Path
) -> None:
    """And what else has its name is left alone: a function of other arguments."""
    with fresh_database(pg_server) as database:
        build = ("build", "--select", "norm_plate", "alias_key")
        database.query(
            "create schema fuel; create function fuel.norm_plate(n int) returns int language sql as $$ select n $$;"
        )
        dbt = Dbt(ROOT, database, tmp_path / "target")
        dbt(*build)
        database.query(
            "alter function fuel.norm_plate(text) security definer parallel unsafe;"
            "alter function fuel.alias_key(text) strict volatile set jit = off;"
        )
        dbt(*build)
        assert database.query(
            "select proname, prorettype::regtype::text, provolatile, proparallel,"
            " prosecdef or proisstrict or proconfig is not null"
            " from pg_proc where pronamespace = 'fuel'::regnamespace order by 1, 2"
        ) == [
            ("alias_key", "text", "i", "s", False),
            ("norm_plate", "integer", "v", "u", False),
            ("norm_plate", "text", "i", "s", False),
        ]


def test_two_builds_of_a_function_at_once(pg_server: servers.Postgres, tmp_path: Path) -> None:
    """The second waits until the first is through with it."""
    with fresh_database(pg_server) as database:
        dbt = Dbt(ROOT, database, tmp_path / "target")
        dbt("build", "--select", "norm_plate")
        with database.connect() as other:
            [(definition,)] = database.query(
                "select pg_get_functiondef('fuel.norm_plate(text)'::regprocedure)"
            )
            key = f'"{database.name}"."fuel"."norm_plate"'
            other.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
            other.execute(definition)
            build = dbt.start("build", "--select", "norm_plate")
            while not database.query("select 1 from pg_locks where locktype = 'advisory' and not granted"):
                assert build.poll() is None
                time.sleep(0.02)
            other.commit()
        said, _ = build.communicate()
        assert build.returncode == 0, said


@pytest.mark.parametrize("name", ["", "fuel"])
def test_functions_work_in_a_copy_of_the_database(
    pg_server: servers.Postgres, tmp_path: Path, name: str
) -> None:
    """Which has another name, as a renamed one has. The first one may be named like the schema."""
    with fresh_database(pg_server, name=name) as database:
        Dbt(ROOT, database, tmp_path / "target")(
            "build", "--resource-type", "seed", "--resource-type", "function"
        )
        with fresh_database(pg_server, f"template {database.name}") as copy:
            assert copy.query("select fuel.canon_department('sales'), fuel.canon_fuel_type('disel')") == [
                ("Sales", "diesel")
            ]
