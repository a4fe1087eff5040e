"""An S3 server of our own that lists as some servers do: early, late, twice, or without saying when."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape

PAGE = 2


@dataclass
class OddServer:
    """Its objects, how it lists them, and what it was asked. A bucket of any name holds them all."""

    endpoint: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    fault: str = ""
    requests: list[str] = field(default_factory=list)


def page(server: OddServer, asked: dict[str, str]) -> str:
    """One page of the listing."""
    fault = server.fault
    token, start = asked.get("continuation-token", ""), asked.get("start-after", "")
    if fault in ("token ignored", "new tokens ignored", "nothing heeded"):
        token = ""
    if fault in ("nothing heeded", "start-after ignored", "start-after ignored, false too soon"):
        start = ""
    after = token.removeprefix("after ") or start
    keys = [key for key in sorted(server.objects) if key.startswith(asked["prefix"]) and key > after]
    if fault == "start-after includes its key" and start:
        keys = [key for key in sorted(server.objects) if key >= start]
    shown, more = keys[:PAGE], len(keys) > PAGE
    if fault == "one page, start-after ignored":
        shown, more = sorted(server.objects), False
    if fault == "empty pages":
        shown = shown if len(server.requests) % 2 else []
    if fault == "empty pages for ever":
        shown, more = [], True
    follows = f"<NextContinuationToken>after {shown[-1] if shown else after}</NextContinuationToken>"
    if fault == "empty pages" and not shown:
        follows = f"<NextContinuationToken>after {after}</NextContinuationToken>"
        more = bool(keys)
    if fault in ("new tokens ignored", "empty pages for ever"):
        follows = f"<NextContinuationToken>{len(server.requests)}</NextContinuationToken>"
    if fault == "NextMarker only":
        follows = f"<NextMarker>{shown[-1] if shown else ''}</NextMarker>"
    if fault == "no token":
        follows = ""
    if fault == "false too soon" or fault == "start-after ignored, false too soon":
        more = False
    when = "<LastModified>2026-11-01T00:00:00.000Z</LastModified>"
    when = {"no LastModified": "", "empty LastModified": "<LastModified></LastModified>"}.get(fault, when)
    items = "".join(
        f"<Contents><Key>{escape(quote(key))}</Key>{when}"
        f"<ETag>{md5(server.objects[key]).hexdigest()}</ETag></Contents>"
        for key in shown
    )
    ends = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    follows = f"<EncodingType>url</EncodingType>{ends}{follows if more else ''}"
    return f"<ListBucketResult>{follows}{items}</ListBucketResult>"


@contextlib.contextmanager
def odd_server() -> Iterator[OddServer]:
    """Run it until the context ends."""
    odd = OddServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            odd.requests.append(self.path)
            url = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            key = url.path.split("/", 2)[-1]
            body = page(odd, asked).encode() if "list-type" in asked else odd.objects.get(key)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            if body is not None:
                self.send_header("ETag", f'"{md5(body).hexdigest()}"')
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        odd.endpoint = f"http://127.0.0.1:{server.server_port}"
        yield odd
        server.shutdown()
        thread.join()
