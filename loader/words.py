"""The words said to the operator. Quick to import, and from nothing that may be half installed."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from datetime import datetime, timezone


def keep_stderr() -> None:
    """Where it is closed, what is said goes nowhere, and not to the file or socket that takes its number."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def naming_host(words: str) -> str:
    """The words of psycopg on a host it cannot resolve, with the name that it lacks if a variable has it."""
    return words.replace("host None", f"host {os.environ.get('PGHOST')!r}")


def blotted(text: str, secrets: Iterable[str]) -> str:
    """A text without secrets, however they are written there."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may be the beginning of another
        for written in (secret, json.dumps(secret)[1:-1]):
            text = text.replace(written, "***")
    return text


class Formatter(logging.Formatter):
    """Text, or one JSON object a line with the fields of the event; secrets are blotted out of either."""

    def __init__(self, as_json: bool, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._as_json, self._secrets = as_json, secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line of one event."""
        level, message = record.levelname.lower(), blotted(record.getMessage(), self._secrets)
        when = datetime.fromtimestamp(record.created, timezone.utc)
        if self._as_json:
            return self._json(level, message, record, when)
        # A line break or an escape sequence in a key could pass for words of ours.
        shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in message)
        said = shown if level == "info" else f"{level}: {shown}"
        return f"{when:%Y-%m-%dT%H:%M:%SZ} {said}"

    def _json(self, level: str, message: str, record: logging.LogRecord, when: datetime) -> str:
        names = ("load_id", "mode", "key", "objects", "counts", "seconds", "error")
        fields = {name: getattr(record, name) for name in names if hasattr(record, name)}
        # In the values only: a secret may be a digit, or a word that is the name of a field.
        for name, value in fields.items():
            if isinstance(value, str):
                fields[name] = blotted(value, self._secrets)
        return json.dumps({"time": when.isoformat(), "level": level, "message": message, **fields})
