-- The roles of the pipeline. Idempotent; run it once before the first load and again after any change of it:
--   psql -v ON_ERROR_STOP=1 -f deploy/roles.sql
-- Run it as the owner of the database, who needs CREATEROLE and no superuser rights (or as a superuser).
--
--   fuel_loader  owns the landing tables, and may not see what dbt makes of them
--   fuel_dbt     reads the landing tables and the tracker's devices, owns all else in fuel and reporting
--   fuel_reader  reads the views of reporting, nothing else
--
-- None of them can log in. Give people and jobs logins of their own:
--   create role fuel_job login noinherit password '…' in role fuel_loader, fuel_dbt;   -- fuel-hourly --as-roles
--   create role dashboard_api login password '…' in role fuel_reader;

begin;

do $$
declare
    role_name text;
begin
    foreach role_name in array array['fuel_loader', 'fuel_dbt', 'fuel_reader'] loop
        if to_regrole(role_name) is null then
            execute format('create role %I nologin', role_name);
        end if;
        -- To hand objects over to a role one must have its rights; since 16 its creator has not got them by himself.
        if not pg_has_role(current_user, role_name, 'usage') then
            execute format('grant %I to current_user', role_name);
        end if;
    end loop;
end
$$;

create schema if not exists fuel;
create schema if not exists reporting;

grant usage, create on schema fuel to fuel_loader, fuel_dbt;
do $$
begin
    -- Everybody's by default, and often taken away: both work through temporary tables.
    execute format('grant temporary on database %I to fuel_loader, fuel_dbt', current_database());
    -- Compiling the expressions of a view takes seconds, reading it milliseconds. Who wants it for a login of his own
    -- says so: alter role … set jit = on.
    execute format('alter database %I set jit = off', current_database());
end
$$;
-- Its owner, since whom `reader_roles` names must be let in.
alter schema reporting owner to fuel_dbt;
grant usage on schema reporting to fuel_reader;

-- What stands already, from before there were roles, goes to the role that keeps it; dbt reads the landing tables.
do $$
declare
    landing constant text[] = array['records_raw', 'loads', 'load_rejects', 'ingest_state', 'landing_versions', 'record_versions'];
    thing record;
    wanted text;
begin
    for thing in
        select c.oid::regclass as name, c.relname, c.relkind, c.relowner, n.nspname
        from pg_class c
        inner join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('fuel', 'reporting') and c.relkind in ('r', 'p', 'v', 'm')
    loop
        wanted = case when thing.nspname = 'fuel' and thing.relname = any (landing) then 'fuel_loader' else 'fuel_dbt' end;
        if thing.relowner <> wanted::regrole then
            execute format('alter table %s owner to %I', thing.name, wanted);
        end if;
        if wanted = 'fuel_loader' then
            execute format('grant select on %s to fuel_dbt', thing.name);
        end if;
    end loop;
    for thing in
        select p.oid::regprocedure as name
        from pg_proc p
        where p.pronamespace = 'fuel'::regnamespace and p.proowner <> 'fuel_dbt'::regrole
          and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    loop
        execute format('alter routine %s owner to fuel_dbt', thing.name);
    end loop;
end
$$;

-- And those that the loader will make.
alter default privileges for role fuel_loader in schema fuel grant select on tables to fuel_dbt;

-- The tracker's table belongs to somebody else: only its owner, or who may hand the right on, can grant it.
do $$
begin
    if not has_schema_privilege('fuel_dbt', 'tracksolid', 'usage')
       or not has_table_privilege('fuel_dbt', 'tracksolid.devices', 'select') then
        grant usage on schema tracksolid to fuel_dbt;
        grant select on tracksolid.devices to fuel_dbt;
    end if;
exception when insufficient_privilege or undefined_table or invalid_schema_name then
    raise notice 'the owner of the tracker''s table still has to grant it to fuel_dbt: usage on its schema, select on it';
end
$$;

commit;
