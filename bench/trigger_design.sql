-- The design that fleetfuel replaces, written compactly: columns derived by a trigger, row by row.
create schema if not exists legacy;

create table legacy.department_aliases (key text primary key, department text not null);
create table legacy.fuel_type_aliases (key text primary key, fuel_type text not null);

create function legacy.norm_plate(p text) returns text language plpgsql immutable as $$
begin
    return upper(translate(p, ' -./', ''));
end $$;

create function legacy.parse_number(p text) returns numeric language plpgsql immutable as $$
begin
    return nullif(translate(p, 'KESkmshLl, ', ''), '')::numeric;
end $$;

create function legacy.alias_key(p text) returns text language plpgsql immutable as $$
begin
    return lower(btrim(p, ' .'));
end $$;

create table legacy.records (
    id text primary key,
    raw jsonb not null,
    car text, plate text, driver text,
    department_raw text, department text, fuel_type_raw text, fuel_type text,
    litres numeric, amount_kes numeric, price_per_litre_kes numeric, odometer_km numeric,
    filled_at timestamptz, created_at timestamptz, updated_at timestamptz, deleted_at timestamptz
);
create index on legacy.records (plate, filled_at);
create index on legacy.records (filled_at);

create function legacy.derive() returns trigger language plpgsql as $$
begin
    new.car := new.raw ->> 'car';
    new.plate := legacy.norm_plate(new.car);
    new.driver := new.raw ->> 'driver';
    new.department_raw := new.raw ->> 'department';
    new.department := coalesce(
        (select a.department from legacy.department_aliases as a where a.key = legacy.alias_key(new.department_raw)),
        initcap(trim(new.department_raw))
    );
    new.fuel_type_raw := new.raw ->> 'fuel_type';
    new.fuel_type := (
        select a.fuel_type from legacy.fuel_type_aliases as a where a.key = legacy.alias_key(new.fuel_type_raw)
    );
    begin
        new.litres := legacy.parse_number(new.raw ->> 'litres');
        new.amount_kes := legacy.parse_number(new.raw ->> 'amount');
        new.price_per_litre_kes := round(new.amount_kes / nullif(new.litres, 0), 4);
        new.odometer_km := legacy.parse_number(new.raw ->> 'odometer');
        new.filled_at := new.raw ->> 'datetime';
        new.created_at := new.raw ->> 'created_at';
        new.updated_at := new.raw ->> 'updated_at';
        new.deleted_at := new.raw ->> 'deleted_at';
    exception when others then
        null;
    end;
    return new;
end $$;

create trigger derive before insert or update on legacy.records
for each row execute function legacy.derive();

create view legacy.fuel_fills as select * from legacy.records where deleted_at is null;
