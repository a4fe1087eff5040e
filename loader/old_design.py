"""The trigger-derived design as it stands in a database, and what would keep it from being taken over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from loader.session import Connection, landing_tables

NAME_BYTES = 63  # PostgreSQL cuts what is longer
# The views that dbt makes: an old one of such a name is served until then, and stands in nobody's way.
VIEWS = (
    "v_fuel_anomalies", "v_fuel_corrections", "v_fuel_efficiency", "v_fuel_fills", "v_fuel_spend_monthly",
    "v_fuel_spend_to_date", "v_pipeline_health", "v_reviewed_findings", "v_unmapped_values",
    "v_unreadable_values", "v_vehicles",
)  # fmt: skip
FUNCTIONS = (
    "alias_key", "canon_department", "canon_driver", "canon_fuel_type", "norm_plate",
    "parse_number", "parse_timestamp",
)  # fmt: skip
RECORDS = """
select
    to_regclass(%(fuel)s || '.records_legacy') is not null as adopted,
    exists (
        select 1 from pg_attribute
        where attrelid = to_regclass(%(fuel)s || '.records') and attname = 'raw'
            and atttypid = 'jsonb'::regtype and not attisdropped
    ) as to_adopt
"""
# Tables whose names the landing zone needs, unless it has them already, and the list of the old migrations.
TABLES = """
select c.relname, c.oid, pg_has_role(c.relowner, 'usage')
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where
    n.nspname = %(fuel)s and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and (
        c.relname in ('records', 'schema_migrations')
        or (to_regclass(%(fuel)s || '.landing_versions') is null and c.relname = any(%(landing)s))
    )
order by c.relname = 'records', c.relname
"""
INDEXES = """
select c.relname, c.oid
from pg_index as i
inner join pg_class as c on i.indexrelid = c.oid
where i.indrelid = any(%(tables)s)
order by c.relname
"""
TRIGGERS = """
select t.tgname, t.tgfoid
from pg_trigger as t
where t.tgrelid = to_regclass(%(fuel)s || '.records') and not t.tgisinternal
"""
# A trigger function outside of schema fuel, or of an extension, is not the old design's own.
OF_FUNCTIONS = """
select
    p.oid::regprocedure::text,
    p.proname,
    p.oid,
    n.nspname = %(fuel)s
    and not exists (
        select 1 from pg_depend as d
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
    ) as goes,
    pg_has_role(p.proowner, 'usage')
from pg_proc as p
inner join pg_namespace as n on p.pronamespace = n.oid
where p.oid = any(%(of_triggers)s) or (n.nspname = %(fuel)s and p.proname = any(%(functions)s))
order by p.oid::regprocedure::text
"""
# All that reads the old table, through however many views; the outermost first, as its readers lock them.
READERS = """
with recursive readers (oid, depth) as (
    select to_regclass(%(fuel)s || '.records')::oid, 0
    union
    select r.ev_class, readers.depth + 1
    from readers
    inner join pg_depend as d on d.refclassid = 'pg_class'::regclass and d.refobjid = readers.oid
    inner join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
    where r.ev_class <> readers.oid
)

select
    c.oid::regclass::text, c.relname, c.oid, c.relkind::text,
    n.nspname = %(reporting)s and c.relname = any(%(views)s),
    pg_has_role(c.relowner, 'usage')
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
left join readers on c.oid = readers.oid
where readers.depth > 0 or (n.nspname = %(reporting)s and c.relname = any(%(views)s))
group by c.oid, n.nspname
order by max(readers.depth) desc nulls last, c.relname
"""
# Names that are taken, and rights that are lacking.
TAKEN = """
select n.nspname || '.' || c.relname
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where (n.nspname, c.relname) in (select * from unnest(%(schemas)s::text[], %(names)s::text[]))
order by 1
"""
RIGHTS = """
select nspname from pg_namespace
where nspname in (%(fuel)s, %(reporting)s) and not has_schema_privilege(oid, 'create')
order by nspname
"""


@dataclass
class OldDesign:
    """Parts to be taken over; each as its name and OID, functions and views with their full name first."""

    adopted: bool
    to_adopt: bool
    tables: list[tuple[str, int]] = field(default_factory=list)
    indexes: list[tuple[str, int]] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)
    functions: list[tuple[str, str, int]] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)  # functions that stay as they are
    views: list[tuple[str, str, int]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # views of others, which stay too
    stops: list[str] = field(default_factory=list)


def legacy(name: str, oid: int) -> str:
    """The name with the ending `_legacy`; one that is too long for it is cut, and its OID tells it apart."""
    ending = "_legacy"
    if len(name.encode()) + len(ending) > NAME_BYTES:
        ending = f"_{oid}{ending}"
        name = name.encode()[: NAME_BYTES - len(ending)].decode(errors="ignore")
    return name + ending


def survey(conn: Connection, fuel: str) -> OldDesign:
    """Look at all of it, and change nothing."""
    reporting = fuel.removesuffix("fuel") + "reporting"
    values: dict[str, Any] = {"fuel": fuel, "reporting": reporting, "views": [*VIEWS]}
    values |= {"functions": [*FUNCTIONS], "landing": landing_tables()}
    adopted, to_adopt = conn.execute(RECORDS, values).fetchone() or (False, False)
    found = OldDesign(adopted, to_adopt)
    if not to_adopt:
        return found
    lacking = []
    for name, oid, is_ours in conn.execute(TABLES, values).fetchall():
        found.tables.append((name, oid))
        lacking += [] if is_ours else [f"{fuel}.{name}"]
    values["tables"] = [oid for _, oid in found.tables]
    found.indexes = conn.execute(INDEXES, values).fetchall()
    triggers = conn.execute(TRIGGERS, values).fetchall()
    found.triggers = [name for name, _ in triggers]
    values["of_triggers"] = [oid for _, oid in triggers]
    for signature, name, oid, goes, is_ours in conn.execute(OF_FUNCTIONS, values).fetchall():
        if goes:
            found.functions.append((signature, name, oid))
            lacking += [] if is_ours else [signature]
        else:
            found.shared.append(signature)
    for full_name, name, oid, kind, is_dbts, is_ours in conn.execute(READERS, values).fetchall():
        if not is_dbts:
            found.others.append(full_name)
        elif kind != "v":
            found.stops.append(f"{full_name} is no view, and dbt makes a view of this name: rename it")
        else:
            found.views.append((full_name, name, oid))
            lacking += [] if is_ours else [full_name]
    if lacking:
        found.stops.append(f"not owned by this role: {', '.join(lacking)}; act as their owner")
    if schemas := [name for (name,) in conn.execute(RIGHTS, values).fetchall()]:
        found.stops.append(f"this role may not create in schema {', '.join(schemas)}")
    ours = [(fuel, each) for each in (*found.tables, *found.indexes)]
    ours += [(reporting, (name, oid)) for _, name, oid in found.views]
    values["schemas"] = [schema for schema, _ in ours]
    values["names"] = [legacy(*each) for _, each in ours]
    if taken := [name for (name,) in conn.execute(TAKEN, values).fetchall()]:
        found.stops.append(f"exists already: {', '.join(taken)}; rename it")
    return found
