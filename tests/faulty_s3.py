"""A proxy in front of the S3 server that fails when a test asks it to."""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from demo import servers


@dataclass
class FaultyS3:
    """An HTTP proxy in front of the S3 server: counts the requests, and fails as `faults` says, one by one.

    A fault is a status to answer with, or a status and a body, "hang" (no answer), or "cut" (half of the
    body, then nothing).
    """

    upstream: servers.S3
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    faults: list[Any] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def s3_proxy(s3_server: servers.S3) -> Iterator[FaultyS3]:
    proxy = FaultyS3(s3_server)
    upstream = urlsplit(s3_server.endpoint)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            proxy.requests.append(f"{self.command} {self.path}")
            # The loader's question for keys after the last one is left alone: there is one for each listing.
            spared = "start-after=" in self.path
            fault = proxy.faults.pop(0) if proxy.faults and not spared else None
            self.close_connection = fault is not None
            if isinstance(fault, (int, tuple)):
                status, body = fault if isinstance(fault, tuple) else (fault, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                # Without it the client may send its next request into the void.
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
                return
            if fault == "hang":
                proxy.closing.wait(20)
                return
            connection = http.client.HTTPConnection(upstream.hostname, upstream.port)
            connection.request(self.command, self.path, headers=dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in (
                    "content-length",
                    "transfer-encoding",
                    "connection",
                    "date",
                    "server",
                ):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

        do_HEAD = do_GET

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    proxy.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        proxy.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
