"""The likeness of two spellings, beside the extension's that it stands in for."""

from __future__ import annotations

import pytest

from tests.conftest import Database, Dbt


def test_the_similarity_is_that_of_pg_trgm(database: Database, dbt: Dbt) -> None:
    pairs = [
        ("slaes", "sales"),
        ("field sales", "sales"),
        ("", "sales"),
        ("a", "a"),
        ("(sales)", "sales"),
        ("über käse", "uber käse"),
        ("head office 2", "head office"),
    ]
    of_both = (
        "(select trigram from {{ trigrams('l') }} as ours %s"
        " select trigram from {{ trigrams('r') }} as theirs)"
    )
    query = (
        f"select l, r, (select count(*) from {of_both % 'intersect'} as common)::real"
        f" / (select greatest(count(*), 1) from {of_both % 'union'} as either)"
        " from unnest(%s::text[], %s::text[]) as pairs (l, r)"
    )
    compiled = dbt("--quiet", "compile", "--inline", query).stdout
    with database.connect() as conn:
        rows = conn.execute(
            compiled[compiled.index("select l") :].encode(), [*map(list, zip(*pairs, strict=True))]
        ).fetchall()
        conn.execute("create schema fuel; create extension pg_trgm schema fuel")
        assert len(rows) == len(pairs)
        for left, right, ours in rows:
            [theirs] = conn.execute("select fuel.similarity(%s, %s)", [left, right]).fetchall()
            assert theirs == (pytest.approx(ours),), (left, right)
