"""A loader that kills itself: for each line `N` it loads, in a child that dies at its Nth step.

A step is a round trip to the database (statement, COPY, commit …) or a request to the bucket. Odd steps
die before, even ones after they took effect but before the loader learns of it. The answer to each line
is the number of steps taken, or `killed`.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from typing import Any

import psycopg

from loader import bucket, cli, sending


def run(kill_at: int) -> None:
    steps = count(1)

    def step(work: Any, *args: Any, **kwargs: Any) -> Any:
        number = next(steps)
        if number == kill_at and number % 2:
            os.kill(os.getpid(), signal.SIGKILL)
        result = work(*args, **kwargs)
        if number == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    wait, call = psycopg.Connection.wait, bucket.Bucket._call
    psycopg.Connection.wait = lambda self, *args, **kwargs: step(wait, self, *args, **kwargs)  # type: ignore[method-assign]
    bucket.Bucket._call = lambda self, *args, **kwargs: step(call, self, *args, **kwargs)  # type: ignore[method-assign]
    sending.BATCH_ROWS = 200
    cli.main(["--snapshot", "--apply"])
    cli.main(["--changes", "--apply"])
    os.write(1, f"{next(steps) - 1}\n".encode())
    os._exit(0)


for line in sys.stdin:
    child = os.fork()
    if not child:
        run(int(line))
    if os.waitpid(child, 0)[1]:
        os.write(1, b"killed\n")
