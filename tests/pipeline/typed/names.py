"""Departments, kinds of fuel and drivers, and the keys that they are matched by."""

# Tables of look-alike characters, many to a line.
# ruff: noqa: E501, RUF001

from __future__ import annotations

KEYS = {
    "Field Ops": "field ops", " field-ops ": "field ops", "FIELD  OPS": "field ops", "Field.Ops!": "field ops",
    "Field/Ops": "field ops", "Field\tOps": "field ops", "Ｆｉｅｌｄ Ops": "field ops", "Fi\u200beld Ops": "field ops",
    "“Field” Ops": "field ops", "🚗 Field Ops": "field ops", "H.R.": "h r", "ıct": "ict", "日本": "日本", "Dept 2": "dept 2",
    **dict.fromkeys(["", " ", "-", "...", "\u200b", "\u00a0", "“”", "🚗", "—"]),
}  # fmt: skip

FUELS = {
    **dict.fromkeys(["Diesel", "DISIEL", "diesel.", "AGO", "ago", "dizeli", "Gas-oil", "GASOIL", "deisel", "dieesl", "diesle",
                     "disel", "diezel", "dieselx", "iesel", "V-Power Diesel", "AGO 50ppm", "DSL", "Diesel 50 PPM", "desel"], "diesel"),
    **dict.fromkeys(["Petrol", "PETROLI", "super", "Supper", "PMS", "unleaded", "unleded", "V-Power", "petro", "pertol",
                     "gasoline", "gasolin", "Unleaded Petrol", "unleaded petrl", "RON 95", "Premium Motor Spirit"], "petrol"),
    **dict.fromkeys(["kerosene", "kerosine", "paraffin", "parrafin", "mafuta taa", "Mafuta-Taa", "IK", "kerosen"], "kerosene"),
    **dict.fromkeys(["LPG", "L.P.G.", "autogas", "cooking gas"], "lpg"),
    **dict.fromkeys(["electric", "EV", "umeme", "electrik", "Stima", "kWh", "EV charging", "battery swap"], "electric"),
    **dict.fromkeys(["AdBlue", "Ad-Blue", "adbleu", "DEF", "Urea", "Engine Oil", "engin oil", "lubricants", "oil", "coolant", "collant", "Puncture",
                     "punture", "puncture repair", "tyres", "Tyre", "car wash", "CARWASH", "parking", "toll", "pancha", "kuosha gari", "matairi",
                     "oil ya injini", "kuosha ndai", "maji ya betri", "not_fuel", "NOT FUEL"], "not_fuel"),
    **dict.fromkeys(["", " ", "-", "n/a", "pgl", "agx", "water", "petroleum", "gas", "solar", "die", "dieselpetrol", "dsl wsl", "12", "日本"]),
}  # fmt: skip

# Quantities beside a known word, and words of a workshop or a car park.
FUELS |= {
    **dict.fromkeys(["Ad-Blue 10L", "ADBLUE 20 litres", "engine oil 5w30", "Oil 15W-40 1 ltr", "Gear oil 80w90", "SAE 40", "DEF 10 L",
                     "Coolant - 2 Litres", "Brake fluid DOT 4", "puncture x2", "Puncture repair Ksh.500/=", "tyres x 4", "2 tyres",
                     "parking 200 bob", "kuosha gari 300", "pancha @200", "engin oil 4L", "Wheel alignment & balancing",
                     "car wash + vacuum", "Expressway toll", "Nairobi Expressway", "puncher", "oil ya engine"], "not_fuel"),
    **dict.fromkeys(["Diesel 50L", "diesel 500ppm", "40 lts diesel", "deisel 40.5 L", "AGO 45"], "diesel"),
    **dict.fromkeys(["Super 20L", "Petrol KES 3,600", "RON 97", "20L super"], "petrol"),
    "LPG 6 kg": "lpg", "38 kWh": "electric", "EV charging 12.5 kWh": None,
    **dict.fromkeys(["x2", "20 litres", "KES 500", "diesel 20L petrol 5L", "diesel and adblue 10L", "5L jerrycan"]),
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
