"""`python -m MODULE` as a process of its own, forked from one that has imported dbt and boto3 already.

The tests start dbt some hundred times, and each start takes 1.5 seconds of imports. The process is as real as
cron's: it has its own environment, folder, output and exit code. The project's own modules are imported anew.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["dbt.cli.main", "dbt.adapters.postgres", "boto3", "psycopg"])


class Forked:
    """As much of a `subprocess.Popen[str]` as the tests use."""

    def __init__(self, module: str, *args: str, cwd: str | Path, env: dict[str, str]) -> None:
        self.args = [module, *args]
        folder = Path(tempfile.mkdtemp(prefix="fleetfuel-output-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._outputs = [folder / "stdout", folder / "stderr"]
        self._process = CONTEXT.Process(target=_run, args=(self.args, cwd, env, self._outputs))
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end, and give what was written to stdout and stderr."""
        self.wait(timeout)
        out, errors = (path.read_text() for path in self._outputs)
        return out, errors


def _run(args: list[str], cwd: str | Path, env: dict[str, str], outputs: list[Path]) -> None:
    gc.disable()  # as the hourly job; it would also copy every page that is shared with the parent
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = args
    sys.path[:0] = env["PYTHONPATH"].split(os.pathsep) if "PYTHONPATH" in env else []
    runpy.run_module(args[0], run_name="__main__", alter_sys=True)
