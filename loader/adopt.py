"""Placeholder."""

from __future__ import annotations

from loader.landing import Landing


def adopt(landing: Landing) -> int:
    """Take over."""
    raise NotImplementedError
