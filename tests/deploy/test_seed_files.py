"""Errors that keep dbt from reading a CSV, by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.seeds import unreadable
from tests.conftest import ROOT

pytestmark = pytest.mark.pure


@pytest.mark.parametrize("file", sorted((ROOT / "seeds").glob("*.csv")), ids=lambda file: file.name)
def test_the_projects_own_seeds_can_be_read(file: Path) -> None:
    assert unreadable(file) is None


def test_why_a_seed_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "seeds" / "names.csv"
    file.parent.mkdir()
    for content, told in (
        (b"", "seeds/names.csv: the file is empty"),
        ("a,b\n".encode("utf-16"), "seeds/names.csv line 1: this is not UTF-8."),
        (b'a,b\n"x\ny",z\nx,y,z\n', "seeds/names.csv line 4: 3 cells, but the header has 2."),
    ):
        file.write_bytes(content)
        assert (unreadable(file) or "").startswith(told)
    file.write_bytes(b'\xef\xbb\xbfa,b\r\n"x, y",z\r\nx\r\n\r\n')
    assert unreadable(file) is None
