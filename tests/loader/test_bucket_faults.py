"""A bucket that fails, breaks off, keeps objects back, or is not the one that was meant."""

# ruff: noqa: E501
from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from hashlib import md5

import boto3
import pytest
import tenacity
from exports import CHANGES, LATEST, envelope, record
from pages import listing, odd_listing

from loader import bucket as bucket_module
from loader import session


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
