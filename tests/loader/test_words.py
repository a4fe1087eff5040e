"""Each line of the log: its time, its one cause, and silence where there is nothing to say."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from datetime import datetime, timezone

import pytest
from exports import LATEST, envelope, record

from loader import cli


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_every_line_has_a_time(loader, capsys, log_format):
    loader.bucket.put(LATEST, envelope([record(1), {}], at=1))
    loader.delta("2026-11-01.json", b"[")
    started = datetime.now(timezone.utc).replace(microsecond=0)
    for mode in ("--snapshot", "--changes", "--adopt"):
        cli.main([mode, "--apply", "--log-format", log_format])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 5
    for line in lines:
        when = json.loads(line)["time"] if log_format == "json" else line.split(" ")[0].replace("Z", "+00:00")
        assert started <= datetime.fromisoformat(when) <= datetime.now(timezone.utc)


def test_quiet_says_nothing_of_what_brought_nothing_new(loader):
    assert "2 seen, 1 inserted" in loader.snapshot(envelope([record(1), {}], at=1), "--quiet").log
    assert loader.snapshot(None, "--quiet").log == ""
    assert loader.snapshot(envelope([record(1), {}], at=2), "--quiet").log == "", "another export of the same"
    assert loader.changes("--quiet").log == ""
    assert "1 inserted" in loader.snapshot(envelope([record(1), record(2)], at=3), "--quiet").log
    assert "refused" in loader.snapshot(b"[", "--quiet", code=1).log


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "RequestExpired"])
def test_a_wrong_clock_is_no_wrong_key(loader, faulty_s3, code):
    faulty_s3.faults = [(403, f"<Error><Code>{code}</Code></Error>".encode())]
    [line] = loader("--changes", code=2).log.splitlines()
    assert "the clock of this machine" in line
    assert code in line
    assert "KEY" not in line


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied"])
def test_a_wrong_key_is_no_wrong_clock(loader, faulty_s3, code):
    faulty_s3.faults = [(403, f"<Error><Code>{code}</Code></Error>".encode())]
    assert "RUSTFS_ACCESS_KEY, RUSTFS_SECRET_KEY: " in loader("--changes", code=2).log


def test_a_pool_that_takes_no_options(loader, monkeypatch):
    """As PgBouncer answers a client that would act as a role from the start."""
    answer = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0"

    def refuse():
        for _ in range(2):
            client, _ = listener.accept()
            with client:
                client.recv(4096)
                client.sendall(b"E" + struct.pack("!i", 4 + len(answer)) + answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, daemon=True).start()
        monkeypatch.setenv("PGHOST", "127.0.0.1")
        monkeypatch.setenv("PGPORT", str(listener.getsockname()[1]))
        monkeypatch.setenv("PGSSLMODE", "disable")
        monkeypatch.setenv("PGOPTIONS", "-c role=fuel_loader")
        [line] = loader("--changes", code=2).log.splitlines()
    assert "PGOPTIONS (or --as-roles): the pool in between takes none, connect directly" in line


FULL = """
create function fuel.is_full() returns trigger language plpgsql as
$$ begin raise 'could not extend file: No space left on device' using errcode = '{}'; end $$;
create trigger is_full before update on fuel.loads for each row execute function fuel.is_full()
"""


@pytest.mark.parametrize("errcode", ["disk_full", "configuration_limit_exceeded", "out_of_memory"])
@pytest.mark.parametrize("changed", [0, 1], ids=["new rows", "changed rows"])
def test_a_full_disk_is_not_tried_again_and_keeps_no_dead_rows(loader, errcode, changed):
    """The last statement of the load fails, after all rows were written."""
    loader.snapshot(envelope([record(n) for n in range(100)], at=0))
    loader.database.query("vacuum fuel.records_raw")
    size = "select pg_relation_size('fuel.records_raw')"
    before = loader.database.query(size)
    loader.database.query(FULL.format(errcode))
    body = envelope([record(n, at=changed) for n in range(100)] + [record(n) for n in range(100, 9000)], at=1)
    [line] = loader.snapshot(body, code=69).log.splitlines()
    assert re.search("the database fails: could not extend file", line)
    if errcode == "disk_full":
        assert loader.database.query(size) == before
    loader.database.query("drop trigger is_full on fuel.loads")
    loader.snapshot()
    assert len(loader.rows()) == 9000
