-- The landing zone. Owned by the loader, applied before each load with --apply; idempotent.
create schema if not exists fuel;

create table if not exists fuel.loads (
    load_id bigint generated always as identity primary key,
    mode text not null,
    object_key text not null,
    etag text,
    exported_at timestamptz,
    started_at timestamptz not null,
    finished_at timestamptz,
    seen bigint not null default 0,
    inserted bigint not null default 0,
    updated bigint not null default 0,
    unchanged bigint not null default 0,
    stale bigint not null default 0,
    duplicate bigint not null default 0,
    rejected bigint not null default 0,
    absent bigint not null default 0,
    status text not null,
    error text
);

create table if not exists fuel.records_raw (
    id text primary key,
    raw jsonb not null,
    raw_digest bytea not null,
    source_updated_at timestamptz,
    exported_at timestamptz,
    absent_since timestamptz,
    load_id bigint not null,
    first_loaded_at timestamptz not null default now(),
    loaded_at timestamptz not null default now()
);
create index if not exists records_raw_load_id_idx on fuel.records_raw (load_id);

create table if not exists fuel.load_rejects (
    load_id bigint not null,
    position bigint not null,
    id text,
    reason text not null,
    original bytea not null,
    primary key (load_id, position)
);

create table if not exists fuel.ingest_state (
    feed text primary key,
    watermark text,
    updated_at timestamptz not null default now()
);
