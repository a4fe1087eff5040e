"""The loader killed, cut off, kept waiting, locked out and misconfigured."""

# ruff: noqa: E501
from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from hashlib import md5
from pathlib import Path
from urllib.parse import quote

import boto3
import psycopg
import pytest
import tenacity
from exports import CHANGES, LATEST, envelope, record
from proxies import cutting_proxy

from demo import servers
from loader import bucket as bucket_module
from loader import compare, landing, sending, session
from loader.settings import read_settings

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


@pytest.mark.parametrize(
    "faults", [[503], [500, 408, 429, 503], ["cut"], [None, "cut", "cut"], [None, 503], ["hang"]]
)
def test_bucket_fails_and_recovers(loader, faulty_s3, monkeypatch, faults):
    monkeypatch.setattr(bucket_module, "READ_TIMEOUT_SECONDS", 2 if "hang" in faults else 20)
    loader.bucket.put(LATEST, envelope([record(n) for n in range(1000)]))
    faulty_s3.faults = list(faults)
    log = loader("--snapshot", "--apply").log
    assert log.count("of 5 failed") >= len([fault for fault in faults if fault])
    assert loader.counts() == {"seen": 1000, "inserted": 1000}


@pytest.mark.parametrize("fault", [503, "cut"])
def test_bucket_fails_for_good(loader, faulty_s3, fault):
    loader.snapshot(envelope([record(1)]))
    image = loader.image()
    loader.bucket.put(LATEST, envelope([record(2)]))
    faulty_s3.faults = [None] + [fault] * 6  # it is asked whether it answers at all
    log = loader("--snapshot", "--apply", code=69).log
    assert len(faulty_s3.requests) == 4 + 7
    assert "RUSTFS_ENDPOINT" in log.splitlines()[-1]
    assert "Traceback" not in log
    assert loader.image() == image


def listing(*etags, more=False):
    """A page of a listing: deltas of 1 November, 2 November …, by their ETag elements."""
    items = "".join(
        f"<Contents><Key>{CHANGES}2026-11-0{n}.json</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>{etag}</Contents>"
        for n, etag in enumerate(etags, 1)
    )
    follows = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    follows += "<NextContinuationToken>next</NextContinuationToken>" * more
    return 200, f"<ListBucketResult>{follows}{items}</ListBucketResult>".encode()


def test_a_listing_that_breaks_off_is_begun_again(loader, faulty_s3):
    loader.delta("2026-11-01.json", [record(1)])
    first_page = listing("<ETag>x</ETag>", more=True)
    faulty_s3.faults = [first_page, 503, first_page, listing()]
    loader.changes()
    tokens = ["continuation-token=next" in request for request in faulty_s3.requests[:4]]
    assert tokens == [False, True, False, True]
    assert set(loader.rows()) == {"1"}


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([500] * 5, "Internal Server Error; it answers otherwise"),
        (["cut"] * 5, "it answers otherwise"),
        ([(403, b"<Error><Code>InvalidObjectState</Code></Error>")], "the object is archived"),
        (
            [(403, b"<Error><Code>AccessDenied</Code></Error>")],
            "the bucket does not give it out (AccessDenied)",
        ),
    ],
)
def test_an_object_that_the_bucket_does_not_give_out_stops_no_other(loader, faulty_s3, faults, said):
    for number in (1, 2, 3):
        loader.delta(f"2026-11-0{number}.json", [record(number)])
    faulty_s3.faults = [None, None, *faults]
    [line] = [line for line in loader.changes(code=1).log.splitlines() if "refused" in line]
    assert "2026-11-02.json: " in line
    assert said in line
    assert set(loader.rows()) == {"1", "3"}
    loader.changes()
    assert set(loader.rows()) == {"1", "2", "3"}


def test_a_tls_connection_that_breaks_in_a_download_is_tried_again(loader, monkeypatch, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: no certificate for a TLS server")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    page = listing("<ETag>x</ETag>")[1]

    def serve(client):
        with client, contextlib.suppress(OSError), tls.wrap_socket(client, server_side=True) as conn:
            request = conn.recv(65536)
            if b"list-type" in request:
                conn.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(page) + page
                )
                return
            asked.append(request)
            conn.sendall(b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 99999\r\n\r\n[')
            with socket.socket(fileno=os.dup(conn.fileno())) as bare:  # no record of this session
                bare.sendall(b"\x17\x03\x03\x00\x40" + b"z" * 64)

    asked = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("RUSTFS_ENDPOINT", f"https://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    serve(listener.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        log = loader.changes(code=1).log
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(asked) == 5
    assert "Traceback" not in log
    assert "2026-11-01.json: the bucket cannot be reached" in log.splitlines()[-1]


@pytest.mark.parametrize("etag", ["&quot;{}&quot;", "W/&quot;{}&quot;", "{}"])
def test_an_etag_is_the_same_however_it_is_written(loader, faulty_s3, etag):
    loader.delta("2026-11-01.json", [])
    page = listing(f"<ETag>{etag.format(md5(b'[]').hexdigest())}</ETag>")
    faulty_s3.faults = [page, None, page]
    loader.changes()
    assert "nothing new" in loader.changes().log


def test_a_server_without_etags_is_told(loader, faulty_s3):
    faulty_s3.faults = [listing("")]
    assert "gives no ETags" in loader.changes(code=2).log.splitlines()[-1]
    loader.delta("2026-11-01.json", [])
    faulty_s3.faults = [None, (200, b"[]")]
    assert "gives no ETags" in loader.changes(code=2).log.splitlines()[-1]


def test_a_key_that_is_listed_twice(loader, faulty_s3):
    loader.delta("2026-11-01.json", [record(1)])
    twice = listing("<ETag>x</ETag>", "<ETag>y</ETag>")[1].replace(b"2026-11-02", b"2026-11-01")
    faulty_s3.faults = [(200, twice)]
    loader.changes()
    assert set(loader.rows()) == {"1"}


def test_retries_wait_longer_each_time():
    retry = session.retrying(lambda error: True, "bucket")
    state = tenacity.RetryCallState(retry, None, (), {})
    for state.attempt_number, seconds in enumerate((0.5, 1, 2, 4), 1):
        assert seconds <= retry.wait(state) <= seconds + 0.5


def test_an_object_that_goes_between_listing_and_download(loader, faulty_s3):
    loader.delta("2026-11-01T00-00-00Z.json", [record(1)])
    loader.delta("2026-11-01T01-00-00Z.json", [record(2)])
    faulty_s3.faults = [None, (404, b"<Error><Code>NoSuchKey</Code></Error>")]
    assert "2026-11-01T00-00-00Z.json: the object has gone" in loader.changes(code=1).log
    assert set(loader.rows()) == {"2"}


def test_etag_of_what_was_downloaded_counts(loader, faulty_s3):
    """And not what the listing said before; most servers, but not the tests' own, put quotes around it there."""
    key = CHANGES + "2026-11-01T00-00-00Z.json"
    loader.bucket.put(key, b"[]")
    for etag, said in ((md5(b"overwritten since"), "landed"), (md5(b"[]"), "nothing new")):
        listing = (
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
            f"<Key>{key}</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>"
            f"<ETag>&quot;{etag.hexdigest()}&quot;</ETag></Contents></ListBucketResult>"
        )
        faulty_s3.faults = [(200, listing.encode())]
        assert said in loader.changes().log


def test_path_style_whatever_the_machine_says(loader, monkeypatch):
    (loader.folder / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(loader.folder / "config"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which read its configuration long ago
    port = loader.bucket.server.endpoint.rpartition(":")[2]
    monkeypatch.setenv("RUSTFS_ENDPOINT", f"http://localhost:{port}")
    loader.snapshot([record(1)])


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
        with contextlib.closing(loader.database.connect(autocommit=True)) as other:  # who waits holds nothing
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


SECRET, PASSWORD = "s3cr3t-k3y/+%", "p@ss/w%rd"


@pytest.mark.parametrize(
    ("change", "args", "code", "said"),
    [
        ({"PGHOST": None}, "--snapshot", 2, "missing: PGHOST"),
        ({"PGDATABASE": None, "PGUSER": None}, "--snapshot", 2, "missing: PGUSER, PGDATABASE"),
        ({"PGPORT": "five"}, "--snapshot", 2, "PGPORT"),
        ({"PGSSLMODE": "maybe"}, "--snapshot", 2, "PGSSLMODE"),
        ({"PGDATABASE": "no_such"}, "--snapshot", 2, "PGDATABASE"),
        ({"PGUSER": "no_such"}, "--snapshot", 2, "PGUSER"),
        ({"PGHOST": "127.0.0.1", "PGPORT": "1"}, "--snapshot --apply", 69, "the database cannot be reached"),
        ({"PGHOST": "nowhere.invalid"}, "--snapshot", 69, "failed to resolve host 'nowhere.invalid'"),
        ({"DATABASE_URL": f"postgres//{PASSWORD}"}, "--snapshot", 2, "DATABASE_URL is not"),
        ({"DATABASE_URL": "postgresql://u:p%40ss%2Fw%25rd@127.0.0.1:1/x"}, "--snapshot", 69, "cannot be reached"),
        ({"DATABASE_URL": "postgresql://u:p@ss/w%rd@127.0.0.1:1/x"}, "--snapshot", 2, "DATABASE_URL is not"),
        ({"DATABASE_URL": "postgresql://u:12@ss@127.0.0.1:1/x"}, "--snapshot", 2, "DATABASE_URL is not"),
        ({"DATABASE_URL": "postgresql://u:pa/ss@127.0.0.1:1/x"}, "--snapshot", 2, "DATABASE_URL is not"),
        ({"DATABASE_URL": "postgresql://u:p@ss/pa@127.0.0.1"}, "--snapshot", 2, "DATABASE_URL is not"),
        ({"DATABASE_URL": "postgresql://u:p@ss/pa@127.0.0.1?sslmode=allow"}, "--snapshot", 2, "DATABASE_URL is not"),
        ({"DATABASE_URL": "postgresql://u@127.0.0.1:1/x?sslmode=no"}, "--snapshot", 2, "(or DATABASE_URL): "),
        ({"DATABASE_URL": "service=nowhere", "PGSERVICEFILE": "/dev/null"}, "--snapshot", 2, "definition of service"),
        ({"DATABASE_URL": "service=nowhere", "PGSERVICEFILE": "/nowhere"}, "--snapshot", 2, "service file"),
        ({"RUSTFS_ENDPOINT": None, "RUSTFS_SECRET_KEY": ""}, "--snapshot", 2, "missing: RUSTFS_ENDPOINT, RUSTFS_SECRET_KEY"),
        ({"RUSTFS_ENDPOINT": "127.0.0.1"}, "--snapshot", 2, "RUSTFS_ENDPOINT"),
        ({"RUSTFS_ENDPOINT": "http://127.0.0.1:1"}, "--changes", 69, "the bucket cannot be reached"),
        ({"RUSTFS_SECRET_KEY": SECRET}, "--snapshot", 2, "RUSTFS_ACCESS_KEY, RUSTFS_SECRET_KEY"),
        ({"RUSTFS_ENDPOINT": f"http://u:{PASSWORD.replace('/', '')}@127.0.0.1:1"}, "--changes", 69, "cannot be reached"),
        ({"RUSTFS_BUCKET": "nowhere"}, "--snapshot", 2, "RUSTFS_BUCKET"),
        ({"RUSTFS_BUCKET": "no such bucket!"}, "--snapshot", 2, "RUSTFS_BUCKET: 'no such bucket!'"),
        ({"RUSTFS_REGION": "no region"}, "--snapshot", 2, "RUSTFS_REGION or a variable of AWS: "),
        ({}, "--snapshot", 1, "holds no fuel_records/latest.json"),
        ({"AWS_PROFILE": "no_such"}, "--snapshot", 2, "The config profile (no_such)"),
        ({"AWS_RETRY_MODE": "often"}, "--snapshot", 2, "must be one of"),
        ({"FUEL_MAX_OBJECT_MB": "0"}, "--snapshot", 2, "FUEL_MAX_OBJECT_MB"),
        ({}, "--file nothing.json", 2, "nothing.json"),
        ({}, "--file .", 2, ".: not a regular file"),
        ({}, f"--file {'x' * 300}", 2, "File name too long"),
        ({}, "--file /dev/null", 2, "/dev/null: not a regular file"),
        ({}, "", 2, "required"),
        ({}, "--snapshot --changes", 2, "not allowed"),
        ({}, "--snapshot --since 2026-11-01", 2, "--since goes with --changes"),
        ({}, "--changes --accept-shrink", 2, "--accept-shrink goes with --snapshot"),
        ({}, "--changes --since soon", 2, "'soon'"),
        ({}, "--changes --since 2026-11-01T6:00", 2, "'2026-11-01T6:00'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_is_wrong_is_said_in_one_line(loader, monkeypatch, change, args, code, said, log_format):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    for name, value in change.items():
        monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name)
    log = loader(*args.split(), "--log-format", log_format, code=code).log
    last = log.splitlines()[-1]
    assert said in last
    assert "Traceback" not in log
    assert "None" not in log
    for secret in (SECRET, PASSWORD, "p%40ss", PASSWORD.replace("/", ""), "ss@127", "'pa'", "'ss'"):
        assert secret not in log
    if said not in ("required", "not allowed") and "goes with" not in said and "--since" not in args:
        assert len([line for line in log.splitlines() if "of 5 failed" not in line]) == 1
        assert ("of 5 failed" in log) == (code == 69), "what time does not mend is not tried again"


def test_keys_that_are_refused_amid_a_run_are_no_fault_of_the_object(loader, faulty_s3):
    loader.delta("2026-11-01.json", [record(1)])
    denied = 403, b"<Error><Code>InvalidAccessKeyId</Code></Error>"
    faulty_s3.faults = [None, denied, denied]
    assert "RUSTFS_ACCESS_KEY, RUSTFS_SECRET_KEY: " in loader.changes(code=2).log.splitlines()[-1]
    assert loader.ledger() == []


def test_keys_that_may_only_list_are_no_fault_of_the_objects(loader, faulty_s3):
    for number in (1, 2, 3):
        loader.delta(f"2026-11-0{number}.json", [record(number)])
    denied = 403, b"<Error><Code>AccessDenied</Code></Error>"
    faulty_s3.faults = [None, denied, None, denied, denied]
    log = loader.changes(code=2).log
    assert "RUSTFS_ACCESS_KEY, RUSTFS_SECRET_KEY: " in log.splitlines()[-1]
    assert "refused " not in log
    assert loader.ledger() == []
    assert not faulty_s3.faults


@pytest.mark.parametrize("mode", ["--snapshot", "--changes"])
def test_an_endpoint_with_the_name_of_the_bucket(loader, monkeypatch, mode):
    endpoint = f"{loader.bucket.server.endpoint}/{loader.bucket.name}"
    monkeypatch.setenv("RUSTFS_ENDPOINT", endpoint)
    log = loader(mode, code=2).log
    assert log == f"error: RUSTFS_ENDPOINT: leave the bucket's name out of {endpoint}\n"


@pytest.mark.parametrize(
    ("status", "error", "code", "said"),
    [
        (400, "AuthorizationHeaderMalformed", 2, "RUSTFS_REGION: "),
        (401, "Unauthorized", 2, "(Unauthorized)"),
        (403, "RequestTimeTooSkewed", 2, "(RequestTimeTooSkewed)"),
        (404, "NotFound", 69, "the bucket fails"),
    ],
)
def test_what_the_bucket_answers_is_told(loader, faulty_s3, status, error, code, said):
    faulty_s3.faults = [(status, f"<Error><Code>{error}</Code><Message>m</Message></Error>".encode())]
    log = loader.changes(code=code).log
    assert said in log
    assert len(log.splitlines()) == 2  # the first one is about the landing tables


def test_an_endpoint_that_is_no_bucket(loader, faulty_s3):
    faulty_s3.faults = [(200, b"<html>hello</html>")] * 5
    assert "RUSTFS_ENDPOINT: what answers at http" in loader.changes(code=2).log
    faulty_s3.faults = [(200, b"hello")] * 5
    assert "the bucket fails (RUSTFS_ENDPOINT" in loader.changes(code=69).log


DISK_FULL = """
create function fuel.fails() returns trigger language plpgsql as
$$ begin raise 'no space left' using errcode = 'disk_full'; end $$;
create trigger fails before insert on fuel.loads execute function fuel.fails()
"""


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("alter role {} set default_transaction_read_only = on", 2, "the database refuses: cannot execute"),
        ("alter role {} nologin", 2, "(or DATABASE_URL): "),
        ("drop table fuel.ingest_state", 2, "the database refuses: relation"),
        (DISK_FULL, 69, "the database fails: no space left"),
    ],
)
def test_what_the_database_refuses_is_told_in_one_line(loader, monkeypatch, sql, code, said):
    loader.snapshot([record(1)])
    role = f"loader_{loader.database.name}"
    with loader.database.connect(autocommit=True) as conn:
        conn.execute(f"create role {role} login superuser")
        conn.execute(sql.format(role))
        monkeypatch.setenv("PGUSER", role)
        log = loader.snapshot([record(2)], code=code).log
        conn.execute(f"drop role {role}")
    assert said in log.splitlines()[-1]
    assert len(log.splitlines()) == 1, "it is not tried again"


def test_tls_with_a_server_that_has_none_is_a_setting_to_mend(loader, monkeypatch):
    with cutting_proxy(loader.database.server, lambda number: None) as port:
        for name, value in {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGSSLMODE": "require"}.items():
            monkeypatch.setenv(name, value)
        assert "does not support SSL" in loader("--changes", code=2).log


def test_a_network_that_went_silent_is_noticed_at_both_ends(loader, monkeypatch):
    with servers.postgres(settings={"listen_addresses": "127.0.0.1"}) as server:
        url = f"postgresql://{server.user}@127.0.0.1:{server.port}/postgres"
        for option, seconds in (("", 60), ("?keepalives_idle=7", 7)):
            monkeypatch.setenv("DATABASE_URL", url + option)
            with landing.Landing(read_settings(), writing=False) as zone:
                ours = zone.run(lambda conn: socket.socket(fileno=os.dup(conn.fileno())))
                theirs = zone.run(lambda conn: conn.execute("show tcp_keepalives_idle").fetchone())
                with ours:
                    assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == seconds
                assert theirs == ("60",)


def test_logins_that_the_server_does_not_let_in(loader, monkeypatch):
    hba = Path(loader.database.query("show hba_file")[0][0])
    before = hba.read_text()

    def change(text):
        hba.write_text(text)
        loaded = loader.database.query("select pg_conf_load_time(), pg_reload_conf()")[0][0]
        while loader.database.query("select pg_conf_load_time()") == [(loaded,)]:
            time.sleep(0.01)

    roles = [f"{name}_{loader.database.name}" for name in ("secret", "rejected")]
    for role in roles:
        loader.database.query(f"create role {role} login password 'right'")
    change(f"local all {roles[0]} scram-sha-256\nlocal all {roles[1]} reject\n{before}")
    try:
        for role, password, said in (
            (roles[0], "", "no password supplied"),
            (roles[0], "wrong", "password authentication failed"),
            (roles[1], "right", "pg_hba.conf rejects connection"),
        ):
            monkeypatch.setenv("PGUSER", role)
            monkeypatch.setenv("PGPASSWORD", password)
            log = loader.changes(code=2).log
            assert log.startswith("error: PGUSER, PGPASSWORD, PGDATABASE (or DATABASE_URL): ")
            assert said in log
            assert len(log.splitlines()) == 1, "it is not tried again"
    finally:
        change(before)
        for role in roles:
            loader.database.query(f"drop role {role}")


def test_a_file_of_an_odd_name(loader):
    name = os.fsdecode(b"\xff\xfe.json")
    loader.land([record(1)], name)
    assert "nothing new" in loader("--file", name, "--apply").log


def test_a_file_of_a_far_off_time(loader):
    path = Path("/dev/shm") / loader.database.name
    if not path.parent.is_dir():
        pytest.skip("no file system at hand that keeps such a time")
    path.write_bytes(b"[]")
    os.utime(path, (3e11, 3e11))
    log = loader("--file", str(path), code=2).log
    path.unlink()
    assert log == f"error: --file: {path}: modified after the year 9999: touch it\n"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_with_stderr_closed_it_loads_all_the_same(loader, log_format):
    for number in (1, 2):
        loader.delta(f"2026-11-0{number}.json", [record(number)])
    command = f"exec {sys.executable} -m loader --changes --apply --log-format {log_format} 2>&-"
    done = subprocess.run(["sh", "-c", command], env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0
    assert set(loader.rows()) == {"1", "2"}


def test_a_secret_that_ends_with_a_line_break(loader, monkeypatch):
    monkeypatch.setenv("RUSTFS_ACCESS_KEY", loader.bucket.env["RUSTFS_ACCESS_KEY"] + "\n")
    monkeypatch.setenv("RUSTFS_SECRET_KEY", loader.bucket.env["RUSTFS_SECRET_KEY"] + "\n")
    monkeypatch.setattr(boto3, "client", boto3.session.Session().client)
    loader.snapshot([record(1)])


def test_secrets_are_blotted_out_wherever_they_turn_up(loader, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    loader.delta(f"{PASSWORD.replace('/', '')}.json", b"[")
    monkeypatch.setenv("PGPASSWORD", PASSWORD.replace("/", ""))
    for log_format in ("text", "json"):
        log = loader.changes("--log-format", log_format, code=1).log
        assert "***" in log
        assert PASSWORD.replace("/", "") not in log
    quoted = 'p"äss'  # otherwise written in JSON
    loader.delta(f"{quoted}.json", b"[")
    monkeypatch.setenv("PGPASSWORD", quoted)
    lines = loader.changes("--log-format", "json", code=1).lines
    assert any("/***.json" in line["message"] for line in lines)
    assert not any(quoted in value for line in lines for value in line.values())


def test_a_secret_that_begins_with_another_is_blotted_out_whole(loader, monkeypatch):
    longer = loader.bucket.env["RUSTFS_SECRET_KEY"]
    monkeypatch.setenv("PGPASSWORD", longer[:5])
    loader.delta(f"{longer}.json", b"[")
    assert f"{CHANGES}***.json: " in loader.changes(code=1).log


def odd_listing(*names):
    """A page of a listing with deltas of these names, which XML itself could not hold."""
    page = listing(*["<ETag>x</ETag>"] * len(names))[1]
    page = page.replace(b"<IsTruncated>", b"<EncodingType>url</EncodingType><IsTruncated>")
    for n, name in enumerate(names, 1):
        page = page.replace(b"2026-11-0%d.json" % n, quote(f"{name}.json").encode())
    return 200, page


def test_a_key_forges_no_line_of_the_log(loader, faulty_s3):
    faulty_s3.faults = [odd_listing("a\nload 7: landed b", "c\x1b[2Kd", "e\u202ef", "ä b")]
    written = ["a\\nload 7: landed b", "c\\x1b[2Kd", "e\\u202ef", "ä b"]
    log = loader("--changes", code=1).log
    assert log.splitlines() == [
        f"error: refused {CHANGES}{name}.json: the object has gone from the bucket" for name in written
    ]


@pytest.mark.parametrize("apply", [True, False])
def test_a_key_that_the_ledger_cannot_hold_stops_no_other(loader, faulty_s3, apply):
    loader.delta("2026-11-02.json", [record(2)])
    faulty_s3.faults = [odd_listing("2026-11-01\0", "2026-11-02")]
    log = loader("--changes", *["--apply"] * apply, code=1).log
    assert f"error: refused {CHANGES}2026-11-01\\x00.json: a NUL in its key" in log
    assert log.count("1 inserted") == 1
    if apply:
        assert [key for key, *_ in loader.ledger()] == [f"{CHANGES}2026-11-02.json"]


@pytest.mark.parametrize("secret", ["7", "counts", '"', "e"])
def test_a_secret_of_any_kind_leaves_json_whole(loader, monkeypatch, secret):
    monkeypatch.setenv("PGPASSWORD", secret)
    loader.delta("7-counts.json", [record(n) for n in range(7)])
    loader.delta("7-refused.json", b"[")
    landed, refused = loader.changes("--log-format", "json", code=1).lines[-2:]
    assert landed["counts"]["seen"] == 7
    assert refused["key"] == f"{CHANGES}7-refused.json".replace(secret, "***")
    for line in (landed, refused):
        assert secret not in f"{line['message']}{line['key']}{line['mode']}{line.get('error', '')}"


def test_which_settings_are_secret(loader, monkeypatch):
    url = "postgresql://u:one@h/x"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("PGPASSWORD", "two")
    monkeypatch.setenv("RUSTFS_SECRET_KEY", "three")
    monkeypatch.setenv("RUSTFS_ENDPOINT", "http://u:four@127.0.0.1")
    assert set(read_settings().secrets()) == {url, "two", "three", "four"}


def test_settings_come_from_dotenv_too(loader, monkeypatch):
    loader.bucket.put(LATEST, b"[]")
    names = [*loader.database.env, *loader.bucket.env]
    lines = [f"{name}={os.environ[name]}\n" for name in names]
    for name in names:
        monkeypatch.delenv(name)
    (loader.folder / ".env").write_text("".join(lines))
    monkeypatch.setenv("RUSTFS_BUCKET", "nowhere")
    assert "'nowhere'" in loader("--snapshot", code=2).log, "the environment wins"
    monkeypatch.delenv("RUSTFS_BUCKET")
    loader("--snapshot")
    for name in names:
        monkeypatch.delenv(name, raising=False)


def test_an_empty_variable_leaves_the_word_to_dotenv(loader, monkeypatch):
    (loader.folder / ".env").write_text(f"PGHOST={loader.database.server.host}\n")
    monkeypatch.setenv("PGHOST", "")
    monkeypatch.setenv("FUEL_MAX_OBJECT_MB", "")
    loader.land([record(1)])
    (loader.folder / ".env").write_bytes(b"PGHOST=\xff\n")
    assert ".env cannot be read" in loader("--changes", code=2).log


def test_database_url(loader, monkeypatch):
    server = loader.database.server
    for name in loader.database.env:
        monkeypatch.delenv(name)
    host = server.host.replace("/", "%2F")
    monkeypatch.setenv(
        "DATABASE_URL", f"postgresql://{server.user}@{host}:{server.port}/{loader.database.name}"
    )
    loader.land([record(1)])
    assert set(loader.rows()) == {"1"}


def test_a_host_in_the_environment_wins_over_a_url_in_dotenv(loader):
    (loader.folder / ".env").write_text(
        "DATABASE_URL=postgresql://nobody@127.0.0.1:1/nowhere\nPGDATABASE=nowhere\n"
    )
    loader.land([record(1)])
    assert set(loader.rows()) == {"1"}


def test_json_log(loader):
    loader.bucket.put(LATEST, b"[")
    loader.delta("2026-11-01T00-00-00Z.json", [record(1), {}])
    line = loader("--changes", "--apply", "--log-format", "json").lines[-1]
    assert line["load_id"] == 1
    assert line["key"] == "fuel_records/changes/2026-11-01T00-00-00Z.json"
    assert (line["counts"]["seen"], line["counts"]["inserted"], line["counts"]["rejected"]) == (2, 1, 1)
    assert line["seconds"] >= 0
    assert line["level"] == "info"
    (line,) = loader("--snapshot", "--log-format", "json", code=1).lines
    assert (line["level"], line["key"]) == ("error", LATEST)
    assert "JSON" in line["error"]


def test_help_teaches(loader):
    done = subprocess.run(
        [sys.executable, "-m", "loader", "--help"],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    for word in ("--apply", "dry run", "RUSTFS_ENDPOINT", "75", "--since", "examples"):
        assert word in done.stdout
