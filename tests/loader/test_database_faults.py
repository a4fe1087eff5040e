"""A database that refuses, and files and streams that are not as usual."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from exports import record
from proxies import cutting_proxy

from demo import servers
from loader import landing
from loader.settings import read_settings

ROOT = Path(__file__).parents[2]


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
