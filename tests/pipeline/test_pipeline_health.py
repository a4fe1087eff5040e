"""v_pipeline_health, step by step; and a build that refuses a wrong list.

Built by a role that may not install extensions.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import servers
from tests.conftest import Database, Dbt, copy_project, fresh_database
from tests.pipeline.landing import land


@pytest.fixture
def plain_role(pg_server: servers.Postgres) -> Iterator[str]:
    name = f"builder_{secrets.token_hex(4)}"
    with pg_server.connect(autocommit=True) as conn:
        conn.execute(f"create role {name} login")  # type: ignore[arg-type]
        yield name
        conn.execute(f"drop role {name}")  # type: ignore[arg-type]


@pytest.fixture
def build(pg_server: servers.Postgres, plain_role: str, tmp_path: Path) -> Iterator[tuple[Dbt, Database]]:
    """dbt as a role that owns the schemas and nothing else, and the database as its superuser."""
    with fresh_database(pg_server) as db:
        servers.empty_landing(pg_server, db.name)
        db.query(f"create schema reporting authorization {plain_role}")
        db.query(f"alter schema fuel owner to {plain_role}; grant usage on schema tracksolid to {plain_role}")
        db.query(f"grant select on all tables in schema fuel, tracksolid to {plain_role}")
        as_role = Database(dataclasses.replace(pg_server, user=plain_role), db.name)
        yield Dbt(copy_project(tmp_path / "project"), as_role, tmp_path / "target"), db


def fill(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": number, "car": "KCA 542Q", "department": "sales", "fuel_type": "diesel", "litres": "40",
        "amount": "7000", "odometer": str(1000 + number * 400), "datetime": f"2026-01-{number:02}T08:00:00Z",
        **fields,
    }  # fmt: skip


def test_every_figure_at_every_step(build: tuple[Dbt, Database]) -> None:
    dbt, db = build

    def health(columns: str) -> tuple[Any, ...]:
        [row] = db.query(f"select {columns} from reporting.v_pipeline_health")
        return row

    counts = "rejects_24h, refused_objects_24h, rows_waiting, unmapped_spellings"

    aliases = dbt.project / "seeds" / "department_aliases.csv"
    right = "alias,department\nsales,Sales\nlogistics,Logistics\n"
    aliases.write_text(right)

    # Nothing was ever loaded.
    dbt.build()
    assert health(counts) == (0, 0, 0, 0)
    assert health("last_load_at, lag_minutes, readable_share_30d") == (None, None, None)
    assert health("last_build_at between now() - interval '5 min' and now()") == (True,)
    assert db.query("select status, failed, warned, records_written from fuel.builds") == [
        ("success", 0, 0, 0)
    ]

    # No build installs an extension.
    assert db.query("select extname from pg_extension where extname <> 'plpgsql'") == []

    # A load without a build.
    recent = db.query("select to_char(now() - interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SSZ')")[0][0]
    land(
        db,
        [
            fill(1, department="Slaes"),
            fill(2, department="SLAES."),
            fill(3, fuel_type="D"),
            # The last 30 days: one fully readable, one without litres, one whose time cannot be read.
            fill(4, datetime=recent),
            fill(5, datetime=recent, litres="?"),
            fill(6, datetime="yesterday", created_at=recent),
            fill(7, datetime=recent, deleted_at=recent, litres="?", department="Ghosts", fuel_type="ghosts"),
        ],
    )
    assert health(counts) == (0, 0, 7, 0)
    assert health("last_load_at = (select max(finished_at) from fuel.loads)") == (True,)
    assert health("lag_minutes") == (None,)

    # A clean run.
    dbt.build()
    db.query("update fuel.loads set finished_at = now() - interval '90 min'")
    [(expected_unmapped,)] = db.query("select count(*) from reporting.v_unmapped_values")
    assert expected_unmapped > 0
    assert health(counts) == (0, 0, 0, expected_unmapped)
    assert health("lag_minutes, round(readable_share_30d, 2)::text") == (90, "0.33")
    assert db.query("select status, records_written from fuel.builds order by started_at desc limit 1") == [
        ("success", 7)
    ]
    assert db.query(
        "select spelling, occurrences, suggested_value, csv_line from reporting.v_unmapped_values"
        " where field = 'department'"
    ) == [("SLAES.", 2, "Sales", "slaes,Sales")]

    # Rejects and refused objects count for a day, and once if they come again; a repaired record is none.
    db.query("""
        insert into fuel.loads (mode, object_key, started_at, finished_at, status) values
            ('changes', 'bad', now() - interval '2 hours', now(), 'refused'),
            ('changes', 'bad', now() - interval '1 hour', now(), 'refused'),
            ('changes', 'worse', now() - interval '1 hour', now(), 'refused'),
            ('changes', 'old', now() - interval '25 hours', now() - interval '25 hours', 'refused');
        insert into fuel.load_rejects (load_id, position, reason, original, last_met_at) values
            (1, 1, 'no id', '{}', now()), (1, 2, 'no id', '[]', now()), (1, 3, 'sanitised', '1', now()),
            (3, 1, 'no id', '{}', now()), (5, 1, 'no id', '2', now() - interval '25 hours');
    """)
    assert health(counts) == (2, 2, 0, expected_unmapped)
    assert health("lag_minutes") == (90,)

    # The feed brings nothing new: the load's check moves on, the reports are as old until the next build.
    db.query("update fuel.loads set checked_at = now() where load_id = 1")
    assert health("last_load_at = (select checked_at from fuel.loads where load_id = 1)") == (True,)
    assert health("lag_minutes") == (90,)

    # A wrong edit of an alias CSV, and a new load: the list stays as it was, and the fill is in.
    land(db, [fill(8)])
    aliases.write_text(right + "slaes,Sails\n")
    refused = dbt.build(check=False)
    assert refused.returncode == 1
    assert "line 4: 'Sails' is not in the list of values for department" in refused.stdout
    assert db.query("select count(*) from fuel.department_aliases") == [(2,)]
    assert health("rows_waiting, seeds_refused") == (0, 1)
    newest = "select status, failed, seeds_refused from fuel.builds order by started_at desc limit 1"
    assert db.query(newest) == [("success", 0, 1)]
    aliases.write_text(right)
    dbt.build()
    assert health("seeds_refused") == (0,)
