"""The loader on a fleet that is a tenant of a cluster: every landing table equals a single server's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from demo import servers
from loader import cli
from tests.cluster.conftest import Cluster

TABLES = {
    "records_raw": "id, raw, raw_digest, source_updated_at, exported_at, absent_since, load_id",
    "record_versions": "id, load_id, raw, replaced_by_load_id",
    "loads": "load_id, mode, seen, inserted, updated, unchanged, stale, duplicate, rejected, absent, status",
    "load_rejects": "load_id, position, id, reason, original, last_load_id, occurrences",
    "ingest_state": "feed, watermark, load_id",
}


def record(id: int, hour: int, **fields: Any) -> dict[str, Any]:
    return {"id": id, "car": "KCA 542Q", "updated_at": f"2026-11-01T{hour:02d}:00:00Z", **fields}


def export(records: list[Any], hour: int) -> bytes:
    metadata = {"exported_at": f"2026-11-01T{hour:02d}:30:00Z"}
    return json.dumps({"metadata": metadata, "records": records}).encode()


EXPORTS = (
    export([record(n, 0) for n in range(50)] + [{}], 0),
    export([record(n, n % 2) for n in range(48)] + [{}, record(60, 1, m="\0")], 1),
    export([record(n, 0) for n in range(50)] + [{}, record(7, 2)], 2),
    export([record(n, 3, litres=n) for n in range(60)], 3),
    b"[",
)


def history(server: servers.Postgres, bucket: servers.S3, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Land snapshots and deltas, put a watermark right; all that the landing tables hold then."""
    for name, value in {**server.env(), **bucket.env("fuel"), "FUEL_SCHEMA_PREFIX": "one_"}.items():
        monkeypatch.setenv(name, value)
    client = bucket.client()
    for n, body in enumerate(EXPORTS):
        client.put_object(Bucket="fuel", Key="fuel_records/latest.json", Body=body)
        assert cli.main(["--snapshot", "--apply"], env_file=os.devnull) == (1 if body == b"[" else 0)
        client.put_object(Bucket="fuel", Key=f"fuel_records/changes/2026-11-01T1{n}-00-00Z.json", Body=body)
        cli.main(["--changes", "--apply"], env_file=os.devnull)
        cli.main(["--changes"], env_file=os.devnull)
    with server.connect(autocommit=True) as conn:
        conn.execute("update one_fuel.ingest_state set watermark = '2999-01-01Z' where feed = 'snapshot'")
        conn.execute("update one_fuel.records_raw set exported_at = '2999-01-01Z' where id = '3'")
        assert cli.main(["--reset-watermark", "--apply"], env_file=os.devnull) == 0
        conn.execute("update one_fuel.records_raw set exported_at = null where id = '3'")
        return [
            conn.execute(f"select {columns} from one_fuel.{table}").fetchall()
            for table, columns in TABLES.items()
        ]  # type: ignore[arg-type]


def test_a_tenants_landing_tables_equal_a_single_servers(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = []
    for n, server in enumerate((cluster.coordinator, None)):
        with servers.s3(tmp_path / str(n)) as bucket:
            bucket.client().create_bucket(Bucket="fuel")
            if server:
                found.append(history(server, bucket, monkeypatch))
                cluster.port_of("one_fuel.records_raw")
            else:
                with servers.postgres() as single:
                    found.append(history(single, bucket, monkeypatch))
    for name, ours, theirs in zip(TABLES, *found, strict=True):
        assert sorted(ours, key=repr) == sorted(theirs, key=repr), name
    assert all(found[0])
