"""A run that is told to end does so in order, and within five seconds wherever it is.

Python runs a signal's handler only between its own instructions, so not while the main thread waits for the
database inside dbt's driver. A thread of its own therefore hears the signal. It ends dbt's sessions, and with
them the wait.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import Any

import psycopg

from deploy.settings import connect

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
IN_ORDER_SECONDS = 3.0
END_SESSIONS = """
select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
where pid = any(%s) and usename = session_user
"""


class Stopping:
    """Hears the signals that end a run; `signal` is the one that came."""

    def __init__(self, note: Callable[[signal.Signals], None], give_up: Callable[[], None]) -> None:
        """`note` is told of the signal; `give_up` has the last word of a run that does not end in order."""
        self.signal: signal.Signals | None = None
        self._note, self._give_up = note, give_up
        self._sessions_ended, self._ended = threading.Event(), threading.Event()

    def listen(self) -> None:
        """From now on a signal ends the run; a SIGHUP only where it is not ignored, as it is under nohup."""
        heard, bell = os.pipe()
        os.set_blocking(bell, False)
        signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
        for each in SIGNALS:
            if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:
                signal.signal(each, self._interrupt)
        threading.Thread(target=self._hear, args=[heard], daemon=True).start()

    def ended(self) -> None:
        """The run has ended: nobody need be ended any more."""
        self._ended.set()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """In the main thread: loader and dbt give up what they are at on a KeyboardInterrupt. Once."""
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        self._sessions_ended.wait(IN_ORDER_SECONDS)
        raise KeyboardInterrupt

    def _hear(self, heard: int) -> None:
        while (number := os.read(heard, 1)[0]) not in SIGNALS:
            pass
        self.signal = signal.Signals(number)
        self._note(self.signal)
        with suppress(psycopg.Error):  # a server that does not answer: the run is given up below
            end_sessions(dbt_sessions())
        self._sessions_ended.set()
        if not self._ended.wait(IN_ORDER_SECONDS):
            self._give_up()
            os._exit(128 + number)


def dbt_sessions() -> list[int]:
    """The database sessions that dbt has open in this process."""
    factory = sys.modules.get("dbt.adapters.factory")
    adapters: Iterable[Any] = list(factory.FACTORY.adapters.values()) if factory else []
    found = [each for adapter in adapters for each in list(adapter.connections.thread_connections.values())]
    return [
        each.handle.get_backend_pid() for each in found if each.state == "open" and not each.handle.closed
    ]


def end_sessions(sessions: list[int]) -> None:
    """End database sessions of this login, as the login itself: the role that they act as has no right to."""
    if sessions:
        with connect(options="", connect_timeout=2, autocommit=True) as conn:
            conn.execute(END_SESSIONS, [sessions])
