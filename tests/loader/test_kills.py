"""The loader killed, cut off, interrupted, and beside another one."""

# ruff: noqa: E501
from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
import tenacity
from exports import LATEST, envelope, record
from proxies import cutting_proxy

from loader import compare, landing, sending, session

ROOT = Path(__file__).parents[2]


def fill(loader):
    """A snapshot and three deltas: new, changed, stale, absent, bad, sanitised and duplicate records."""
    old = [record(n, at=1) for n in range(600)]
    loader.snapshot(envelope(old, at=1))
    changed = [record(n, at=n % 2 + 1) for n in range(5, 620)]
    loader.bucket.put(LATEST, envelope([*changed, record(7, at=3), {"x": 1}, record(700, m="\0")], at=4))
    loader.delta("2026-11-01T05-00-00Z.json", [record(n, at=5) for n in range(300)])
    loader.delta("2026-11-01T02-00-00Z.json", [record(n, at=2) for n in range(900, 905)])
    loader.delta(
        "2026-11-01T06-00-00Z.json",
        json.dumps([record(1, at=6), record(2, n=0)]).replace("0}", "1e400000}").encode(),
    )


def test_killed_anywhere_and_run_again_it_ends_as_if_run_once(loader):
    fill(loader)
    loader.database.query("create schema kept")
    tables = ("loads", "records_raw", "load_rejects", "ingest_state", "record_versions")
    for table in tables:
        loader.database.query(f"create table kept.{table} as select * from fuel.{table}")

    def reset():
        with loader.database.connect(autocommit=True) as conn:
            for table in tables:
                values = "overriding system value select" if table == "loads" else "select"
                conn.execute(f"truncate fuel.{table}; insert into fuel.{table} {values} * from kept.{table}")

    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("killable.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip

    def killable(kill_at: int) -> str:
        print(kill_at, file=process.stdin, flush=True)
        return process.stdout.readline().strip()

    with process:
        steps = int(killable(0))
        once = loader.image()
        assert len(once[0]) == 626
        assert steps > 60
        points = sorted({*range(1, steps + 1, steps // 24), steps - 1, steps})
        assert len(points) >= 20
        for point in points:
            reset()
            assert killable(point) == "killed", point
            half = loader.image()
            for _ in range(100):  # the killed session may hold the lock for another moment
                if loader("--snapshot", "--apply", code=None).code != 75:
                    break
                time.sleep(0.05)
            loader.changes()
            assert loader.image() == once, f"killed at step {point} of {steps}"
            assert all(row in once[1] or row[2] for row in half[1])
        process.stdin.close()


def test_killed_amid_a_long_statement_it_leaves_no_lock_behind(loader):
    """PostgreSQL would else see that nobody waits any more when the statement is through."""
    work = "lambda conn: (print('at work', flush=True), conn.execute('select pg_sleep(600)'))"
    code = (
        "from loader.landing import Landing; from loader.settings import read_settings\n"
        f"with Landing(read_settings(), writing=True) as zone: zone.run({work})"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "at work\n"
        loader.changes(code=75)
        process.kill()
    deadline = time.monotonic() + 60
    while loader("--changes", "--apply", code=None).code == 75:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("passed", [500, 3_000, 30_000, 100_000])
def test_connection_cut_in_the_middle_of_a_load(loader, monkeypatch, passed):
    loader.bucket.put(LATEST, envelope([record(n) for n in range(1000)]))
    # A lost session keeps its lock for a moment.
    monkeypatch.setattr(session, "BACKOFF", tenacity.wait_fixed(0.5))
    with cutting_proxy(loader.database.server, lambda number: passed if number < 2 else None) as port:
        monkeypatch.setenv("PGHOST", "127.0.0.1")
        monkeypatch.setenv("PGPORT", str(port))
        log = loader.snapshot().log
    assert log.count("of 5 failed") - log.count("another load is running") == 2
    assert loader.counts() == {"seen": 1000, "inserted": 1000}
    assert len(loader.ledger()) == 1


def test_connection_cut_again_and_again(loader, monkeypatch):
    loader.snapshot(envelope([record(n) for n in range(10)]))
    image = loader.image()
    loader.bucket.put(LATEST, envelope([record(n, at=1) for n in range(1000)]))
    with cutting_proxy(loader.database.server, lambda number: 60_000) as port, monkeypatch.context() as patch:
        patch.setenv("PGHOST", "127.0.0.1")
        patch.setenv("PGPORT", str(port))
        log = loader("--snapshot", "--apply", code=69).log
    assert log.count("attempt") == 4
    assert "the database cannot be reached" in log.splitlines()[-1]
    assert loader.image() == image


@pytest.mark.parametrize(("module", "statement"), [(compare, "LIVE_DIGESTS"), (landing, "FINISH")])
def test_session_terminated_by_the_administrator(loader, monkeypatch, caplog, module, statement):
    """While the loader makes digests, and between the upsert and the commit; its lock outlives it for a moment."""
    loader.snapshot([record(1)])
    real = getattr(module, statement)
    monkeypatch.setattr(module, statement, "select pg_terminate_backend(pg_backend_pid())")
    make = session.retrying

    def retrying(*args):
        retry = make(*args)
        tell = retry.before_sleep

        def before_sleep(state):
            monkeypatch.setattr(module, statement, real)
            change = "lock" if state.attempt_number == 1 else "unlock"
            lingering.execute(f"select pg_advisory_{change}(%s)", [session.LOCK])
            tell(state)

        retry.before_sleep = before_sleep
        return retry

    monkeypatch.setattr(session, "retrying", retrying)
    with loader.database.connect(autocommit=True) as lingering:
        log = loader.snapshot([record(1, at=1), record(2)]).log
    assert "attempt 1 of 5 failed: terminating connection" in log
    assert "attempt 2 of 5 failed: another load is running" in log
    assert loader.counts() == {"seen": 2, "inserted": 1, "updated": 1}
    assert len(loader.ledger()) == 2
    assert not caplog.records, "psycopg's own words would stand beside the loader's lines"


def test_interrupted_in_the_middle_of_a_load(loader, monkeypatch):
    loader.snapshot([record(1)])
    image = loader.image()

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_copy", interrupt)
        log = loader.snapshot([record(2)], code=130).log
    assert log == "error: interrupted; the object in hand was not landed\n"
    assert loader.image() == image


def test_a_commit_whose_answer_is_lost_is_not_done_again(loader, monkeypatch):
    monkeypatch.setattr(session, "BACKOFF", tenacity.wait_fixed(0.5))
    loader.delta("2026-11-01.json", [record(1), {}])
    last_statement = landing.FINISH.split("{fuel}")[0].strip().encode() + b' "fuel".loads set'
    with cutting_proxy(loader.database.server, lambda number: None, last_statement) as port:
        monkeypatch.setenv("PGHOST", "127.0.0.1")
        monkeypatch.setenv("PGPORT", str(port))
        log = loader.changes().log
    assert "of 5 failed" in log
    assert (
        "2 seen, 1 inserted, 0 updated, 0 unchanged, 0 stale, 0 duplicate, 1 rejected" in log.splitlines()[-1]
    )
    assert len(loader.ledger()) == 1
    assert len(loader.rejects()) == 1


def test_another_load_while_the_connection_was_lost(loader, monkeypatch):
    for number in (1, 2):
        loader.delta(f"2026-11-0{number}.json", [record(number), {}])
    real = landing.Landing.land

    def interrupted(zone, conn, *args):
        monkeypatch.setattr(landing.Landing, "land", real)
        loader.database.query("select pg_terminate_backend(%s, 60000)", [conn.info.backend_pid])
        subprocess.run(
            [sys.executable, "-m", "loader", "--changes", "--apply"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        return real(zone, conn, *args)

    monkeypatch.setattr(landing.Landing, "land", interrupted)
    log = loader.changes().log
    assert log.count("1 inserted") == 2
    assert len(loader.ledger()) == 2
    assert loader.database.query("select count(*) from fuel.load_rejects") == [(2,)]


def test_second_load_says_who_holds_the_lock(loader):
    loader.snapshot([record(1)])
    with loader.database.server.connect(autocommit=True) as other:  # the lock of another database's loader
        other.execute("select pg_advisory_lock(%s)", [session.LOCK])
        assert loader.database.query(session.HOLDER, [session.LOCK]) == []
        loader.snapshot()
    with loader.database.connect(autocommit=True) as other:  # another lock of this database
        other.execute("select pg_advisory_lock(%s)", [session.LOCK + (1 << 32)])
        assert loader.database.query(session.HOLDER, [session.LOCK]) == []
        loader.snapshot()
    with loader.database.connect(autocommit=True, application_name="fuel-loader 4711@elsewhere") as holder:
        holder.execute("select pg_advisory_lock(%s)", [session.LOCK])
        loader.bucket.put(LATEST, b"[]")
        ran = loader("--snapshot", "--apply", code=75)
        assert "another load is running: fuel-loader 4711@elsewhere (database session" in ran.log
        assert "of 5 failed" not in ran.log
        loader("--snapshot")  # a dry run needs no lock
        with contextlib.closing(loader.database.connect(autocommit=True)) as other:  # a waiter holds nothing
            other.pgconn.send_query(b"select pg_advisory_lock(%d)" % session.LOCK)
            while not loader.database.query("select 1 from pg_locks where not granted"):
                time.sleep(0.01)
            [(who, *_)] = loader.database.query(session.HOLDER, [session.LOCK])
            assert who == "fuel-loader 4711@elsewhere"
            other.cancel_safe()
            other.pgconn.get_result()
        # Its session ends only a moment after it was closed.
        holder.execute("select pg_advisory_unlock_all()")
    loader("--snapshot", "--apply")


def test_two_loaders_at_once(loader):
    """The second one starts while the first is in the middle of its work."""
    loader.bucket.put(LATEST, envelope([record(n) for n in range(10)]))
    inside, go_on = threading.Event(), threading.Event()
    original = sending._copy

    def slow(*args):
        inside.set()
        go_on.wait(60)
        original(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "_copy", slow)
        codes = []
        first = threading.Thread(target=lambda: codes.append(loader("--snapshot", "--apply", code=None).code))
        first.start()
        assert inside.wait(60)
        second = subprocess.run(
            [sys.executable, "-m", "loader", "--snapshot", "--apply"],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        go_on.set()
        first.join()
    assert second.returncode == 75, second.stderr
    assert f"fuel-loader {os.getpid()}@" in second.stderr
    assert codes == [0]
    assert loader.counts() == {"seen": 10, "inserted": 10}


def test_the_lock_is_given_back_before_the_session_ends(loader):
    """The server notices some time later that a connection was closed; the next load may begin before."""
    lingering = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Connection, "close", lambda self: lingering.append(self))
        loader.snapshot([record(1)])
        loader.snapshot([record(1, at=1)])
    for conn in lingering:
        conn.close()
