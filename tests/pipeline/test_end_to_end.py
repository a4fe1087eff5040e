"""Bucket -> loader -> dbt build -> views, value by value against the truth the feed was written from."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from demo import servers
from demo.__main__ import put_devices, put_feed
from demo.feed import SNAPSHOT_KEY, Feed, Truth, generate
from tests.conftest import ROOT, Bucket, Database, Dbt, fresh_database

# One pipeline for the whole file: the tests below go on from where the one above left it.

UNTIL = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
COLUMNS = [field.name for field in fields(Truth)]


@dataclass(frozen=True)
class Pipeline:
    feed: Feed
    database: Database
    bucket: Bucket
    dbt: Dbt
    folder: Path

    def load(self, *args: str) -> str:
        """Run the loader as cron would, away from any .env; give what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "loader", *args],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                **self.database.env,
                **self.bucket.env,
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def records(self) -> dict[str, Truth]:
        rows = self.database.query(f"select {', '.join(COLUMNS)} from fuel.records")
        return {row[0]: Truth(*row) for row in rows}

    def contents(self) -> dict[str, list[str]]:
        """Every row of every table and view there is, as text; but what looks at the clock."""
        relations = self.database.query("""
            select format('%I.%I', table_schema, table_name) from information_schema.tables
            where table_schema in ('fuel', 'reporting') and table_name not in ('v_pipeline_health', 'builds')
        """)
        return {
            name: sorted(row[0] for row in self.database.query(f"select t::text from {name} as t"))
            for (name,) in relations
        }


@pytest.fixture(scope="module")
def pipeline(
    pg_server: servers.Postgres, s3_server: servers.S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("end_to_end")
    feed = generate(800, until=UNTIL)
    bucket = Bucket(s3_server, f"end-to-end-{os.getpid()}")
    put_feed(s3_server, feed, bucket.name)
    with fresh_database(pg_server) as database:
        with database.connect(autocommit=True) as conn:
            put_devices(conn, feed.devices)
        yield Pipeline(feed, database, bucket, Dbt(ROOT, database, folder / "target"), folder)


def test_a_dry_run_writes_nothing(pipeline: Pipeline) -> None:
    said = pipeline.load("--snapshot")
    assert f"{len(pipeline.feed.truth):,}"[:1] in said
    pipeline.load("--changes")
    assert pipeline.database.query("select to_regnamespace('fuel')") == [(None,)]


def test_every_value_is_the_truth(pipeline: Pipeline) -> None:
    pipeline.load("--snapshot", "--apply")
    pipeline.load("--changes", "--apply")
    pipeline.dbt("build")  # with the unit tests
    records, truth = pipeline.records(), pipeline.feed.truth
    assert records.keys() == truth.keys()
    wrong = [
        (id_, column, getattr(records[id_], column), getattr(truth[id_], column))
        for id_ in truth
        for column in COLUMNS
        if getattr(records[id_], column) != getattr(truth[id_], column)
    ]
    assert wrong == []


def test_what_could_not_be_landed_is_kept(pipeline: Pipeline) -> None:
    rejects = pipeline.database.query("select id, reason from fuel.load_rejects")
    assert {id_ for id_, reason in rejects if reason == "sanitised"} == pipeline.feed.sanitised
    assert sum(reason != "sanitised" for _, reason in rejects) == pipeline.feed.refused
    seen, rejected = pipeline.database.query("select sum(seen), sum(rejected) from fuel.loads")[0]
    assert rejected == pipeline.feed.refused
    assert seen > len(pipeline.feed.truth)


def test_fills_are_the_live_records_with_their_device(pipeline: Pipeline) -> None:
    shown = [column for column in COLUMNS if column not in ("car", "deleted_at")]
    columns = pipeline.database.query("""
        select column_name from information_schema.columns
        where table_schema = 'reporting' and table_name = 'v_fuel_fills'
    """)
    shown = [column for column in shown if (column,) in columns]
    assert {"id", "plate", "department", "litres", "amount_kes", "filled_at"} <= set(shown)
    rows = pipeline.database.query(
        f"select imei, cost_centre, assigned_city, {', '.join(shown)} from reporting.v_fuel_fills"
    )
    expected = []
    for truth in pipeline.feed.truth.values():
        if truth.deleted_at is None:
            device = pipeline.feed.device.get(truth.plate or "")
            found = (device.imei, device.cost_centre, device.assigned_city) if device else (None, None, None)
            expected.append((*found, *(getattr(truth, column) for column in shown)))
    key = 3 + shown.index("id")
    assert sorted(rows, key=lambda row: row[key]) == sorted(expected, key=lambda row: row[key])


def test_spend_adds_up_to_the_cent(pipeline: Pipeline) -> None:
    live = [truth for truth in pipeline.feed.truth.values() if truth.deleted_at is None]
    assert pipeline.database.query(
        "select sum(fills), sum(litres), sum(amount_kes) from reporting.v_fuel_spend_monthly"
    ) == [(len(live), sum(t.litres or 0 for t in live), sum(t.amount_kes or 0 for t in live))]


def test_planted_anomalies_are_found(pipeline: Pipeline) -> None:
    found = {id_ for (id_,) in pipeline.database.query("select id from reporting.v_fuel_anomalies")}
    assert {id_ for id_, label in pipeline.feed.planted.items() if label in SURE} <= found


# No honest fill looks like these; the rules' own tests measure the others.
SURE = {
    "litres_amount_swapped",
    "price_out_of_band",
    "plate_unknown",
    "negative_quantity",
    "implausible_time",
}


def test_no_phone_number_and_no_message_is_reported(pipeline: Pipeline) -> None:
    reported = {name: rows for name, rows in pipeline.contents().items() if name.startswith("reporting.")}
    assert len(reported) >= 2
    text = "\n".join(row for rows in reported.values() for row in rows)
    assert "fuel update" not in text
    assert "whatsapp" not in text
    assert [phone for phone in pipeline.feed.phones if phone[1:] in text] == []


def same_again(body: bytes) -> bytes:
    """The same records in other bytes, hence under a new ETag."""
    return gzip.compress(gzip.decompress(body), 1) if body[:2] == b"\x1f\x8b" else body + b"\n"


def test_replays_and_a_second_build_change_nothing(pipeline: Pipeline) -> None:
    before = pipeline.contents()
    for key in reversed(pipeline.feed.deltas):
        pipeline.bucket.put(key, same_again(pipeline.feed.objects[key]))
    pipeline.load("--changes", "--apply")
    pipeline.load("--snapshot", "--apply")
    pipeline.dbt.build()
    after = pipeline.contents()
    assert after.keys() == before.keys()
    ledgers = {"fuel.loads", "fuel.load_rejects", "fuel.ingest_state"}
    assert [name for name in before if before[name] != after[name] and name not in ledgers] == []
    assert len(after["fuel.loads"]) > len(before["fuel.loads"])


def test_ids_that_a_later_snapshot_lacks_leave_the_reports(pipeline: Pipeline) -> None:
    feed = pipeline.feed
    pipeline.bucket.put(SNAPSHOT_KEY, feed.next_snapshot)
    pipeline.load("--snapshot", "--apply")
    pipeline.dbt("build", "--select", "+v_fuel_fills")
    absent = pipeline.database.query("select id from fuel.records where absent_since is not null")
    assert {id_ for (id_,) in absent} == feed.gone
    assert pipeline.records() == feed.truth
    live = {id_ for id_, truth in feed.truth.items() if truth.deleted_at is None} - feed.gone
    assert {id_ for (id_,) in pipeline.database.query("select id from reporting.v_fuel_fills")} == live


def test_dbt_without_a_database_says_so(pipeline: Pipeline, tmp_path: Path) -> None:
    nowhere = replace(pipeline.database.server, host=str(tmp_path))
    done = replace(pipeline.dbt, database=Database(nowhere, "fleet"))("build", check=False)
    assert done.returncode == 2
    assert f'connection to server on socket "{tmp_path}' in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
