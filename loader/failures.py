"""The errors that can end a run or refuse an object. Each message is one line that says why."""

from __future__ import annotations

from loader.words import naming_host


class Failure(Exception):
    """Ends a run."""

    exit_code = 2


class ConfigurationError(Failure):
    """A setting, a privilege or an argument is missing or wrong; the message says which."""


class Missing(Failure):
    """There is no snapshot; the deltas may be landed all the same."""

    exit_code = 1


class Unreachable(Failure):
    """The bucket or the database cannot be reached, after retries."""

    exit_code = 69


class Busy(Failure):
    """Another load holds the lock; the message says who."""

    exit_code = 75


class RefusedObject(Exception):
    """An object of which nothing is landed; the others go on (exit 1)."""


def first_line(error: BaseException | None) -> str:
    """The words of an error, in one line."""
    return naming_host((str(error).strip().splitlines() or [type(error).__name__])[0])
