"""The landing tables: their versions, their descriptions, and the role that owns them."""

from __future__ import annotations

from exports import record


def test_landing_is_brought_up_to_date_and_a_newer_one_refused(loader, monkeypatch):
    """A database with rows meets a loader of the next version, then again the old one."""
    from loader import session

    loader.snapshot([record(1)])
    image = loader.image()
    old = session.files("loader").joinpath("landing.sql").read_text()
    (loader.folder / "landing.sql").write_text(
        old + "alter table loads add column if not exists note text;\n"
        "insert into landing_versions (version) values (3) on conflict do nothing;\n"
    )
    with monkeypatch.context() as newer:
        newer.setattr(session, "VERSION", 3)
        newer.setattr(session, "files", lambda package: loader.folder)
        assert "version 2" not in loader("--changes").log  # a dry run leaves it as it is
        assert loader.database.query("select max(version) from fuel.landing_versions") == [(2,)]
        assert "brought to version 3" in loader.changes().log
        assert "brought" not in loader.changes().log
        assert loader.image() == image
        assert loader.database.query("select note from fuel.loads") == [(None,)]
    assert "version 3, this loader knows version 2" in loader.changes(code=2).log


def test_landing_sql_says_its_version_and_describes_every_column(database):
    from loader import session

    with database.connect(autocommit=True) as conn:
        for _ in range(2):
            with conn.transaction():
                session.create_landing(conn, "fuel")
        assert conn.execute("select max(version) from fuel.landing_versions").fetchone() == (session.VERSION,)
        undescribed = conn.execute(
            "select attrelid::regclass, attname from pg_attribute join pg_class on pg_class.oid = attrelid"
            " where relnamespace = 'fuel'::regnamespace and relkind = 'r' and attnum > 0"
            " and col_description(attrelid, attnum) is null"
        ).fetchall()
        assert undescribed == []


def test_role_that_owns_nothing_but_the_landing_tables(loader, monkeypatch):
    """Schema and tables were made for it; it has no CREATE anywhere. A load then runs no DDL on them."""
    from loader import session

    role = f"loader_{loader.database.name}"
    with loader.database.connect(autocommit=True) as conn:
        conn.execute(f"create role {role} login")
        monkeypatch.setenv("PGUSER", role)
        conn.execute(f"revoke connect on database {loader.database.name} from public")
        log = loader.changes(code=2).log
        assert "(or DATABASE_URL): " in log
        assert "permission denied for database" in log
        conn.execute(f"grant connect on database {loader.database.name} to public")
        assert (
            "let the owner of schema fuel run `fuel-loader --changes --apply` once"
            in loader.snapshot([record(1)], code=2).log
        )
        with conn.transaction():
            session.create_landing(conn, "fuel")
        conn.execute(f"grant usage on schema fuel to {role}")
        for table in (
            "loads",
            "records_raw",
            "load_rejects",
            "ingest_state",
            "landing_versions",
            "record_versions",
        ):
            conn.execute(f"alter table fuel.{table} owner to {role}")
        loader.snapshot()
        loader.snapshot([record(1, at=1), record(2)])
        loader.snapshot([record(2), {"x": 1}])
        conn.execute("alter table fuel.load_rejects owner to postgres")
        assert (
            "lacks a privilege: permission denied for table load_rejects"
            in loader.snapshot([{"x": 2}, record(2)], code=2).log
        )
    assert loader.counts()["absent"] == 1
    loader.database.query(f"drop owned by {role} cascade")
    loader.database.query(f"drop role {role}")
