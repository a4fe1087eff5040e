"""Number plates."""

# Tables of look-alike characters, many to a line.
# ruff: noqa: E501, RUF001

from __future__ import annotations

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
    # Words that only look like a plate, and what is glued to one.
    **dict.fromkeys(
        [
            "KES 500 L", "KES500L", "kes 500k", "KSH 500 L", "KMS 182 L", "KWH 380", "KGS 500", "PAID 500", "MPESA 500", "M-PESA 500", "PUMP 3", "Pump No 3", "TILL 123", "Till no 12",
            "SUPER 20L", "EXT 678", "DIESEL 45", "V-Power 20", "AGO 50", "Lita 20", "mafuta 20", "Bal 500", "REF 123", "INV 1234", "ROOM 5B", "Shell 2", "Bay 4", "Kero 5L", "FULL 45",
            "MON 5", "Sat 12", "pesa 500", "soo 5", "RAV4", "L200", "CX-5", "FRR 33", "NP300", "OTP 4321",
            "KBX160 Y182440", "KCB 123 A45L", "KCB 123 A45", "GK 1234 A45L", "47 CG 456 A45L", "ZC 1234 Y182440", "KCB123A45L", "KBX 160Y182440", "XKCA542Q", "NKCA 542Q",
        ]
    ),
    "KCA 542Q Y182440": "KCA542Q", "KAA 123 D/Cab": "KAA123D", "KAA 123 45L": "KAA123", "KMDA 123X A45L": "KMDA123X", "MATATU 12 ": "MATATU12", "RAB 123C": "RAB123C", "KBS 500L": "KBS500L", "KEN 1": "KEN1",
}  # fmt: skip
