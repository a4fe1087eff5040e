"""Settings that are missing or wrong, where they come from, and secrets that never reach a log."""

# ruff: noqa: E501
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from exports import CHANGES, LATEST, record

from loader.settings import read_settings

ROOT = Path(__file__).parents[2]


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
