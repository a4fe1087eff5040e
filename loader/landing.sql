-- The landing zone. Owned by the loader, which applies this file, with the fleet's schema as search_path, when the
-- recorded version is older. Forward only: a change is appended (`alter table … add column if not exists …`) with the
-- next version number at the end and in session.py; what stands here is never edited, dropped or renamed. Every
-- statement is idempotent and ends with a semicolon at the end of its line: they are sent one by one.
create table if not exists loads (
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
    error text,
    checked_at timestamptz
);
create index if not exists loads_object_key_idx on loads (object_key, load_id);
comment on table loads is
'Ledger of the loader: one row per object applied, and one per attempt that was refused. Decides what is still to be applied';
comment on column loads.load_id is 'Number of the load; loads commit in this order, so it serves as the incremental clock';
comment on column loads.mode is 'How the object was read: snapshot, changes, file or adopt';
comment on column loads.object_key is 'Key of the object in the bucket, path of the file, or name of the adopted table';
comment on column loads.etag is 'ETag of the object (of a file: its MD5); the object is applied again once it differs';
comment on column loads.exported_at is 'When the object was exported: as it says itself, else from its key, else its modification time';
comment on column loads.started_at is 'When the load began';
comment on column loads.finished_at is 'When the load ended';
comment on column loads.seen is
'Records in the object; equals inserted + updated + unchanged + stale + duplicate + rejected';
comment on column loads.inserted is 'Records whose id was new';
comment on column loads.updated is 'Records that replaced the stored version, or brought back an absent id';
comment on column loads.unchanged is 'Records equal to the stored version, byte by byte; not written';
comment on column loads.stale is 'Records older than the stored version; not written';
comment on column loads.duplicate is 'Records left out because the same object holds a newer version of their id';
comment on column loads.rejected is 'Records that could not be landed; see load_rejects';
comment on column loads.absent is 'Stored rows that this snapshot no longer holds and that were marked absent';
comment on column loads.status is 'applied, or refused (the object as a whole; nothing of it was landed)';
comment on column loads.error is 'Why the object was refused';
comment on column loads.checked_at is
'When a run last found its feed up to date with this load: moves on while no new object comes, so it is the clock for source freshness';

create table if not exists records_raw (
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
create index if not exists records_raw_load_id_idx on records_raw (load_id);
comment on table records_raw is 'The feed as exported: the newest version of every record, one row per id, never deleted';
comment on column records_raw.id is 'Primary key of the record at the source, as text';
comment on column records_raw.raw is
'The full source record, untouched, but for NUL and lone surrogates, which jsonb cannot hold and which became U+FFFD';
comment on column records_raw.raw_digest is 'BLAKE2b-128 of the record''s exported bytes: tells an unchanged record';
comment on column records_raw.source_updated_at is 'Newest of the record''s updated_at and deleted_at; null if unreadable';
comment on column records_raw.exported_at is 'When the object that brought this version was exported';
comment on column records_raw.absent_since is
'Export time of the first snapshot that no longer held the id; null while the source holds it';
comment on column records_raw.load_id is 'The load that last changed the row';
comment on column records_raw.first_loaded_at is 'When the id was first landed';
comment on column records_raw.loaded_at is 'When the row was last changed';

create table if not exists load_rejects (
    load_id bigint not null,
    position bigint not null,
    id text,
    reason text not null,
    original bytea not null,
    primary key (load_id, position)
);
comment on table load_rejects is 'Records that could not be landed, or only with a repair, with their original bytes';
comment on column load_rejects.load_id is 'The load that met the record';
comment on column load_rejects.position is 'Place of the record in its object, from 1';
comment on column load_rejects.id is 'Id of the record, if it could be read';
comment on column load_rejects.reason is
'Why; sanitised means that the record was landed, with U+FFFD for the characters that jsonb cannot hold';
comment on column load_rejects.original is 'The record''s bytes as exported';

create table if not exists ingest_state (
    feed text primary key,
    watermark timestamptz,
    object_key text not null,
    load_id bigint not null,
    updated_at timestamptz not null default now()
);
comment on table ingest_state is 'Watermarks: how far each feed has come, one row per feed';
comment on column ingest_state.feed is 'snapshot or changes';
comment on column ingest_state.watermark is
'Newest export time applied. Of snapshots only the time that the snapshot itself states, since absences are judged by it';
comment on column ingest_state.object_key is 'The object applied last';
comment on column ingest_state.load_id is 'The load applied last';
comment on column ingest_state.updated_at is 'When the row was last written';

create table if not exists landing_versions (
    version integer primary key,
    applied_at timestamptz not null default now()
);
comment on table landing_versions is 'Versions of the landing tables that were applied to this database';
comment on column landing_versions.version is 'Version number of landing.sql';
comment on column landing_versions.applied_at is 'When it was applied here';
insert into landing_versions (version) values (1) on conflict do nothing;

-- Version 2: versions that were replaced are kept, and each bad item stands once, however often it comes.
create table if not exists record_versions (
    id text not null,
    load_id bigint not null,
    raw jsonb not null,
    replaced_by_load_id bigint not null,
    replaced_at timestamptz not null,
    primary key (id, replaced_by_load_id)
);
create index if not exists record_versions_replaced_at_idx on record_versions (replaced_at);
comment on table record_versions is
'Versions of records that a newer one replaced in records_raw, kept for FUEL_KEEP_DAYS: what a report said before can be told';
comment on column record_versions.id is 'Primary key of the record at the source, as text';
comment on column record_versions.load_id is 'The load that last changed the row while this version stood in records_raw';
comment on column record_versions.raw is 'The full source record of that version';
comment on column record_versions.replaced_by_load_id is 'The load that brought the newer version';
comment on column record_versions.replaced_at is 'When the newer version was landed';

alter table load_rejects add column if not exists object_key text;
alter table load_rejects add column if not exists last_load_id bigint;
alter table load_rejects add column if not exists occurrences bigint not null default 1;
alter table load_rejects add column if not exists last_met_at timestamptz;
comment on table load_rejects is
'Items that could not be landed, or only with a repair, each once with its original bytes, kept for FUEL_KEEP_DAYS after they were last met';
comment on column load_rejects.load_id is 'The load that first met the item';
comment on column load_rejects.position is 'Place of the item in the object of that load, from 1';
comment on column load_rejects.object_key is 'Key of the object that holds the item; together with its bytes it tells one item from another';
comment on column load_rejects.last_load_id is 'The load that last met the item';
comment on column load_rejects.occurrences is 'How often loads met the item';
comment on column load_rejects.last_met_at is 'When a load last met the item';
update load_rejects set object_key = loads.object_key
from loads where load_rejects.load_id = loads.load_id and load_rejects.object_key is null;
update load_rejects as item
set last_load_id = met.last_load_id, occurrences = met.occurrences, last_met_at = met.last_met_at
from (
    select distinct on (rejects.object_key, sha256(rejects.original))
        rejects.load_id,
        rejects.position,
        max(rejects.load_id) over same_item as last_load_id,
        count(*) over same_item as occurrences,
        max(loads.finished_at) over same_item as last_met_at
    from load_rejects as rejects
    left join loads on rejects.load_id = loads.load_id
    window same_item as (partition by rejects.object_key, sha256(rejects.original))
    order by rejects.object_key, sha256(rejects.original), rejects.load_id, rejects.position
) as met
where item.load_id = met.load_id and item.position = met.position and item.last_load_id is null;
delete from load_rejects where last_load_id is null;
create unique index if not exists load_rejects_item_idx on load_rejects (object_key, sha256(original));
create index if not exists load_rejects_last_met_at_idx on load_rejects (last_met_at);
comment on column loads.mode is 'How the object was read: snapshot, changes, file or adopt; or reset, a watermark ahead of the clock put right';
insert into landing_versions (version) values (2) on conflict do nothing;
