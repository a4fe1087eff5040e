"""A database with fuel.fill_intervals, and fills put into it by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import yaml

from tests.conftest import ROOT, Database, Dbt

from .economy_reports import Fact
from .prices import NAIROBI

LIMITS = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]["economy"]
START = datetime(2026, 3, 1, 8, tzinfo=NAIROBI)
BUILT = "fill_intervals"


@dataclass(frozen=True)
class Built:
    """A database with the derived tables, and the SQL that computes all of fill_intervals."""

    database: Database
    dbt: Dbt
    from_nothing: str


def insert_facts(conn: psycopg.Connection[Any], facts: list[Fact]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "insert into fuel.records (id, plate, filled_at, has_time, created_at, litres, amount_kes,"
            " price_per_litre_kes, odometer_km, fuel_type, deleted_at, load_id, loaded_at, derivation)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s::numeric / nullif(%s, 0), %s, %s, %s, 1, now(),"
            " 'generated')",
            [
                (
                    fact.id, fact.plate, fact.filled_at, fact.has_time, fact.created_at, fact.litres,
                    fact.amount_kes, fact.amount_kes, fact.litres, fact.odometer_km, fact.fuel_type,
                    None if fact.live else START,
                )
                for fact in facts
            ],
        )  # fmt: skip
