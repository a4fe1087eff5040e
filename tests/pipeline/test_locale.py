"""The locale of the database changes nothing: ids and plates are compared byte by byte."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

from demo import feed, servers
from tests.conftest import ROOT, Database, Dbt, fresh_database
from tests.pipeline.warehouse import from_nothing, warehouse

ENGLISH = "template template0 locale_provider icu icu_locale 'en-US'"
DERIVED = ("fuel.records", "fuel.fill_intervals", "fuel.tracker_devices", "reporting.v_fuel_anomalies")
COLLATIONS = """
select attrelid::regclass::text, attname, attcollation::regcollation::text
from pg_attribute where attrelid::regclass::text = any(%s) and attname in ('id', 'plate') order by 1, 2
"""


def test_a_database_that_sorts_like_a_dictionary_gives_the_same(
    database: Database, pg15_server: servers.Postgres, tmp_path: Path
) -> None:
    house = warehouse(database, tmp_path / "bytes")
    # By their bytes B1, a-2, a1; in a dictionary a-2, a1, B1.
    house.land({id_: {} for id_ in ("a1", "B1", "a-2")})
    sample = feed.generate(300, until=datetime(2026, 11, 20, 9, tzinfo=timezone.utc))
    items = json.loads(sample.objects[feed.SNAPSHOT_KEY])["records"]
    fills = {str(item["id"]): item for item in items if isinstance(item, dict) and item.get("id")}
    house.land({id_: fills[id_] for id_ in fills.keys() & sample.truth.keys() - sample.sanitised})
    for device in sample.devices:
        house.device(device.imei, device.vehicle_number, is_active=device.is_active)
    house.build()
    with fresh_database(pg15_server, ENGLISH) as english:
        assert english.query("select 'a1' < 'B1', 'a-2' < 'a1'") == [(True, True)]
        other = from_nothing(house, english, tmp_path / "english")
        ours, theirs = (each.query(COLLATIONS, [list(DERIVED)]) for each in (house, other))
        assert ours == theirs
        assert {collation for *_, collation in theirs} == {'"C"'}
        for table in DERIVED:
            here, there = ({json.dumps(row) for row in each.rows(table)} for each in (house, other))
            assert here, table
            assert here == there
    duplicates = "select id, duplicate_of_id from fuel.fill_intervals where id = any(%s) order by id"
    assert house.query(duplicates, [["a1", "B1", "a-2"]]) == [("B1", None), ("a-2", "B1"), ("a1", "B1")]


def test_a_turkish_database_knows_ict(pg15_server: servers.Postgres, tmp_path: Path) -> None:
    """There a capital i has a dot, and a small I none."""
    turkish = "template template0 locale_provider icu icu_locale 'tr-TR'"
    with fresh_database(pg15_server, turkish) as database:
        assert database.query("select lower('ICT') = 'ict', upper('ict') = 'ICT'") == [(False, False)]
        build = ("build", "--resource-type", "seed", "--resource-type", "function")
        Dbt(ROOT, database, tmp_path / "target")(*build)
        spellings = {
            "department": {"ICT": "ICT", "ict": "ICT", "\u0131ct": "ICT", "CID OFFICE": "Cid Office"},
            "fuel_type": {"DIESEL": "diesel", "DISIEL": "diesel", "LIGHT": None, "T\u0130RES": "not_fuel"},
            "driver": {"IAN KIMANI": "Ian Kimani", "ian  kimani": "Ian Kimani"},
        }  # fmt: skip
        for field, expected in spellings.items():
            query = f"select x, fuel.canon_{field}(x) from unnest(%s::text[]) as x"
            assert dict(database.query(query, [list(expected)])) == expected
        assert database.query("select fuel.parse_number('45 LITRES', 'litres')") == [(45,)]
        day = "select (fuel.parse_timestamp('1 APRIL 2026') at time zone 'Africa/Nairobi')::date::text"
        assert database.query(day) == [("2026-04-01",)]
