"""A proxy that cuts connections."""

# ruff: noqa: E501
from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from demo import servers


@contextlib.contextmanager
def cutting_proxy(
    server: servers.Postgres, allow: Callable[[int], int | None], lose_a_commit_after: bytes | None = None
) -> Iterator[int]:
    """A TCP port in front of the database that cuts connection number n after `allow(n)` bytes from the client.

    The first commit after a statement that holds `lose_a_commit_after` comes through, but not the answer to it.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    awaited = [lose_a_commit_after, b"COMMIT"] if lose_a_commit_after else []
    losing: set[socket.socket] = set()  # what it says next is not passed on

    def pump(source: socket.socket, target: socket.socket, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                passed += len(data)
                if (limit is not None and passed > limit) or source in losing:
                    break
                if awaited and awaited[0] in data:
                    del awaited[0]
                    if not awaited:
                        losing.add(target)
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        number = 0
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(f"{server.host}/.s.PGSQL.{server.port}")
            pair = [
                threading.Thread(target=pump, args=(client, upstream, allow(number))),
                threading.Thread(target=pump, args=(upstream, client, None)),
            ]
            sockets.extend((client, upstream))
            threads.extend(pair)
            for each in pair:
                each.start()
            number += 1

    sockets: list[socket.socket] = []
    accepting = threading.Thread(target=serve)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for each in sockets:
            each.close()
