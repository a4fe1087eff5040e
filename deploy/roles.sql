-- The roles of the pipeline. Idempotent: run it once before the first load, and again after any change of it.
--   psql -X -v ON_ERROR_STOP=1 -f deploy/roles.sql                      (a second fleet: -v prefix=north_)
-- Run it as owner of the database. That takes CREATEROLE and no superuser rights.
--
--   fuel_loader  owns the landing tables, and may not see what dbt makes of them
--   fuel_dbt     reads the landing tables and the tracker's devices, owns all else that fleetfuel makes
--   fuel_reader  reads the views of reporting, nothing else
--
-- None of them can log in. Give people and jobs logins of their own. PostgreSQL compiles long views for seconds unless
-- jit is off, and a function that somebody has put into `public` runs with the rights of a job whose search_path has it.
-- A login does not inherit such settings from its role:
--   create role fuel_job login noinherit password '…' in role fuel_loader, fuel_dbt;   -- fuel-hourly --as-roles
--   alter role fuel_job set jit = off;
--   alter role fuel_job set search_path = pg_catalog, pg_temp;
--   create role dashboard_api login password '…' in role fuel_reader;
--   alter role dashboard_api set jit = off;
--
-- The database belongs to others, too. Only what fleetfuel makes is touched, by name. No lock is waited for longer than
-- 0.1 seconds at a time, and none is held while another is waited for. A notice says, as SQL, what only somebody else can grant.
\if :{?prefix}
\else
\set prefix ''
\endif

set search_path = pg_catalog, pg_temp;
set lock_timeout = '100ms';
select set_config('fleetfuel.prefix', :'prefix', false) \g /dev/null

do $$
declare
    prefix constant text = current_setting('fleetfuel.prefix');
    role_name text;
begin
    if prefix !~ '^([a-z_][a-z0-9_]{0,39})?$' or starts_with(prefix, 'pg_') then
        raise exception 'prefix: % is no plain identifier: lower-case letters, digits and _, not more than 40', prefix;
    end if;
    foreach role_name in array array[prefix || 'fuel_loader', prefix || 'fuel_dbt', prefix || 'fuel_reader'] loop
        if to_regrole(quote_ident(role_name)) is null then
            execute format('create role %I nologin', role_name);
        end if;
        -- To hand objects over to a role one must have its rights; since 16 its creator has not got them by himself.
        if not pg_has_role(current_user, role_name, 'usage') then
            begin
                execute format('grant %I to current_user', role_name);
            exception when insufficient_privilege then
                raise exception using message = format(
                    'role %1$s was created by somebody else. As superuser: grant %1$I to %2$I with admin option;',
                    role_name, current_user
                );
            end;
        end if;
        -- For whom lets the role itself log in.
        execute format('alter role %I set jit = off', role_name);
    end loop;
end
$$;

-- The two schemas, and the right to make temporary tables, through which both loader and dbt work.
do $$
declare
    prefix constant text = current_setting('fleetfuel.prefix');
    fuel constant text = prefix || 'fuel';
    reporting constant text = prefix || 'reporting';
    loader constant text = prefix || 'fuel_loader';
    dbt constant text = prefix || 'fuel_dbt';
    reader constant text = prefix || 'fuel_reader';
    wish record;
begin
    -- `create schema if not exists` needs CREATE on the database even where the schema exists.
    if to_regnamespace(fuel) is null then
        execute format('create schema %I', fuel);
    end if;
    -- One of our own making is its: grants by an owner go with `drop owned`, handed-on ones do not.
    if to_regnamespace(reporting) is null then
        execute format('create schema %I authorization %I', reporting, dbt);
    end if;
    for wish in
        select
            what.statement,
            pg_has_role(current_user, coalesce(pg_namespace.nspowner, pg_database.datdba), 'usage') as may_grant,
            pg_get_userbyid(coalesce(pg_namespace.nspowner, pg_database.datdba)) as owner_name
        from (
            values
            (fuel, has_schema_privilege(loader, fuel, 'usage'), format('grant usage on schema %I to %I', fuel, loader)),
            (fuel, has_schema_privilege(loader, fuel, 'create'), format('grant create on schema %I to %I', fuel, loader)),
            (fuel, has_schema_privilege(dbt, fuel, 'usage'), format('grant usage on schema %I to %I', fuel, dbt)),
            (fuel, has_schema_privilege(dbt, fuel, 'create'), format('grant create on schema %I to %I', fuel, dbt)),
            (reporting, has_schema_privilege(dbt, reporting, 'create'), format('grant create on schema %I to %I', reporting, dbt)),
            -- dbt lets those in whom `reader_roles` names.
            (
                reporting,
                has_schema_privilege(dbt, reporting, 'usage with grant option'),
                format('grant usage on schema %I to %I with grant option', reporting, dbt)
            ),
            (reporting, has_schema_privilege(reader, reporting, 'usage'), format('grant usage on schema %I to %I', reporting, reader)),
            (
                null,
                has_database_privilege(loader, current_database(), 'temporary'),
                format('grant temporary on database %I to %I', current_database(), loader)
            ),
            (
                null,
                has_database_privilege(dbt, current_database(), 'temporary'),
                format('grant temporary on database %I to %I', current_database(), dbt)
            )
        ) as what (schema_name, is_granted, statement)
        inner join pg_database on pg_database.datname = current_database()
        left join pg_namespace on what.schema_name = pg_namespace.nspname
        where not what.is_granted
    loop
        if wish.may_grant then
            execute wish.statement;
        else
            raise notice 'still to be done by % or a superuser: %;', wish.owner_name, wish.statement;
        end if;
    end loop;
end
$$;

-- Existing objects go to the role that keeps them: one after the other, each committed before the next.
do $$
declare
    prefix constant text = current_setting('fleetfuel.prefix');
    landing constant text[] = array[
        'records_raw', 'record_versions', 'loads', 'load_rejects', 'ingest_state', 'landing_versions'
    ];
    models constant text[] = array[
        'records', 'read_versions', 'fill_intervals', 'open_findings', 'tracker_devices', 'builds',
        'department_aliases', 'driver_aliases', 'fuel_type_aliases', 'department_budgets',
        'anomaly_rules', 'anomaly_thresholds', 'fuel_price_caps', 'reviewed_findings'
    ];
    views constant text[] = array[
        'v_fuel_fills', 'v_fuel_efficiency', 'v_fuel_spend_monthly', 'v_fuel_spend_to_date', 'v_fuel_anomalies',
        'v_fuel_corrections', 'v_vehicles', 'v_reviewed_findings', 'v_unmapped_values', 'v_unreadable_values', 'v_pipeline_health'
    ];
    functions constant text[] = array[
        'norm_plate', 'canon_fuel_type', 'canon_driver', 'canon_department', 'alias_key', 'parse_number', 'parse_timestamp'
    ];
    thing record;
    is_done boolean;
begin
    for thing in
        with ours as (
            select
                pg_class.oid as id,
                format('%s %s', case pg_class.relkind when 'v' then 'view' else 'table' end, pg_class.oid::regclass) as name,
                case when pg_class.relname = any (landing) then prefix || 'fuel_loader' else prefix || 'fuel_dbt' end as keeper,
                pg_class.relowner as owner_id
            from pg_class
            where
                pg_class.relnamespace = to_regnamespace(prefix || 'fuel')
                and pg_class.relname = any (landing || models) and pg_class.relkind in ('r', 'p')
            union all
            -- A view of this name is ours if it reads what is ours: somebody else's may be called v_vehicles, too.
            select pg_class.oid, format('view %s', pg_class.oid::regclass), prefix || 'fuel_dbt', pg_class.relowner
            from pg_class
            where
                pg_class.relnamespace = to_regnamespace(prefix || 'reporting')
                and pg_class.relname = any (views) and pg_class.relkind = 'v'
                and exists (
                    select 1
                    from pg_rewrite
                    inner join pg_depend on pg_rewrite.oid = pg_depend.objid and pg_depend.classid = 'pg_rewrite'::regclass
                    inner join pg_class as read on pg_depend.refobjid = read.oid and pg_depend.refclassid = 'pg_class'::regclass
                    where
                        pg_rewrite.ev_class = pg_class.oid and read.oid <> pg_class.oid
                        and (
                            read.relnamespace = to_regnamespace(prefix || 'fuel')
                            or (read.relnamespace = pg_class.relnamespace and read.relname = any (views))
                        )
                )
            union all
            select pg_proc.oid, format('function %s', pg_proc.oid::regprocedure), prefix || 'fuel_dbt', pg_proc.proowner
            from pg_proc
            where pg_proc.pronamespace = to_regnamespace(prefix || 'fuel') and pg_proc.proname = any (functions)
        )
        select
            ours.*,
            pg_get_userbyid(ours.owner_id) as owner_name,
            ours.name !~ '^function' as is_relation,
            pg_roles.rolsuper as owner_reads_all
        from ours
        inner join pg_roles on ours.owner_id = pg_roles.oid
        where ours.owner_id <> to_regrole(quote_ident(ours.keeper))
        -- A view reads with its owner's rights, so it comes after what it reads.
        order by ours.name ~ '^view', ours.id
    loop
        if not pg_has_role(current_user, thing.owner_id, 'usage') then
            raise notice 'still to be done by % or a superuser: alter % owner to %;', thing.owner_name, thing.name, thing.keeper;
            continue;
        end if;
        is_done = false;
        for attempt in 1..100 loop
            begin
                if thing.is_relation then
                    execute format('grant select on %s to %I', split_part(thing.name, ' ', 2), prefix || 'fuel_dbt');
                end if;
                execute format('alter %s owner to %I', thing.name, thing.keeper);
                -- The former owner may still read it: views that others have built upon it in his name go on working.
                if thing.is_relation and not thing.owner_reads_all then
                    execute format('grant select on %s to %I', split_part(thing.name, ' ', 2), thing.owner_name);
                end if;
                is_done = true;
            exception when lock_not_available then
                null;
            end;
            commit;
            exit when is_done;
            perform pg_sleep(0.2);
        end loop;
        if not is_done then
            raise exception '% is in use all the time: run this again when its readers pause', thing.name;
        end if;
    end loop;
    -- dbt reads the landing tables, those that the loader has yet to make, too; a reader what dbt makes.
    for thing in
        select pg_class.oid::regclass as name, pg_get_userbyid(pg_class.relowner) as owner_name, pg_class.relowner as owner_id
        from pg_class
        where
            pg_class.relnamespace = to_regnamespace(prefix || 'fuel') and pg_class.relname = any (landing)
            and not has_table_privilege(prefix || 'fuel_dbt', pg_class.oid, 'select')
    loop
        if pg_has_role(current_user, thing.owner_id, 'usage') then
            execute format('grant select on %s to %I', thing.name, prefix || 'fuel_dbt');
        else
            raise notice 'still to be done by % or a superuser: grant select on % to %;', thing.owner_name, thing.name, prefix || 'fuel_dbt';
        end if;
    end loop;
    execute format(
        'alter default privileges for role %I in schema %I grant select on tables to %I',
        prefix || 'fuel_loader', prefix || 'fuel', prefix || 'fuel_dbt'
    );
    execute format(
        'alter default privileges for role %I in schema %I grant select on tables to %I',
        prefix || 'fuel_dbt', prefix || 'reporting', prefix || 'fuel_reader'
    );
end
$$;

-- The tracker's table belongs to somebody else: only its owner, or who may hand the right on, can grant it.
do $$
declare
    dbt constant text = current_setting('fleetfuel.prefix') || 'fuel_dbt';
begin
    if has_schema_privilege(dbt, 'tracksolid', 'usage') and has_table_privilege(dbt, 'tracksolid.devices', 'select') then
        return;
    end if;
    if
        has_schema_privilege('tracksolid', 'usage with grant option')
        and has_table_privilege('tracksolid.devices', 'select with grant option')
    then
        execute format('grant usage on schema tracksolid to %I', dbt);
        execute format('grant select on tracksolid.devices to %I', dbt);
        return;
    end if;
    raise insufficient_privilege;
exception when insufficient_privilege or undefined_table or invalid_schema_name then
    raise notice
        'still to be done by the owner of the tracker''s table: grant usage on schema tracksolid to %; grant select on tracksolid.devices to %;',
        dbt, dbt;
end
$$;
