"""What is said to the operator. Quick to import, and from nothing that may be half installed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable


def keep_stderr() -> None:
    """Where it is closed, what is said goes nowhere, and not to the file or socket that takes its number."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def naming_host(words: str) -> str:
    """What psycopg says of a host it cannot resolve, which it does not know by name if a variable has it."""
    return words.replace("host None", f"host {os.environ.get('PGHOST')!r}")


def blotted(text: str, secrets: Iterable[str]) -> str:
    """A text without secrets, however they are written there."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may be the beginning of another
        for written in (secret, json.dumps(secret)[1:-1]):
            text = text.replace(written, "***")
    return text
