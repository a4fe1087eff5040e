"""The command line."""

from __future__ import annotations

import argparse
import atexit
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from functools import partial
from hashlib import md5
from pathlib import Path

import psycopg
from tqdm import tqdm

from loader import __version__
from loader.adopt import adopt
from loader.bucket import CHUNK, Bucket, StoredObject, unpack
from loader.failures import ConfigurationError, Failure, Missing, RefusedObject, first_line
from loader.feed import LONG_AGO, Source, parse
from loader.landing import Landing
from loader.memory import bounded_memory, check_fits
from loader.settings import Settings, read_settings
from loader.times import NAIROBI, key_time
from loader.words import Formatter, keep_stderr

log = logging.getLogger("loader")
SNAPSHOT_KEY = "fuel_records/latest.json"
CHANGES_PREFIX = "fuel_records/changes/"
NUL = "\0"
# Before it ends, Python looks once more for cycles among all that boto3 holds: 0.1 s for nothing.
atexit.register(gc.freeze)

DESCRIPTION = """\
Land the fuel feed of the bucket in PostgreSQL: fuel.records_raw, one row per id, newest version.
Without --apply it is a dry run: it reads, compares, says what it would do, and writes nothing.
"""
EPILOG = """\
examples:
  fuel-loader --snapshot                 what would the snapshot change?
  fuel-loader --snapshot --apply         land fuel_records/latest.json, mark ids it no longer holds
  fuel-loader --changes --apply          land every object under fuel_records/changes/ not yet landed
  fuel-loader --changes --apply --since 2026-11-01
  fuel-loader --file export.json --apply

settings, from the environment or a .env file here, or --env-file (the environment wins):
  PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSSLMODE, or DATABASE_URL
  RUSTFS_ENDPOINT RUSTFS_ACCESS_KEY RUSTFS_SECRET_KEY RUSTFS_BUCKET (fuel) RUSTFS_REGION (us-east-1)
  FUEL_MAX_OBJECT_MB (1024)              largest object, decompressed; a load takes up to 3.5 times that
  FUEL_KEEP_DAYS (400)                   how long replaced versions and rejects are kept
  FUEL_SCHEMA_PREFIX                     several fleets in one database: say north_ for north_fuel

exit codes: 0 done; 1 some input was refused, the rest is landed; 2 usage or configuration;
  69 database or bucket unreachable; 75 another load is running
"""


def _since(text: str) -> datetime:
    when = key_time(text, NAIROBI)
    if when is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no date or time like 2026-11-01 or 2026-11-01T06:00Z")
    return when


def _arguments(argv: list[str] | None, env_file: str) -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "fuel-loader", description=DESCRIPTION, epilog=EPILOG, formatter_class=raw
    )
    what = parser.add_mutually_exclusive_group()
    mode = partial(what.add_argument, dest="mode", action="store_const")
    mode("--snapshot", const="snapshot", help=f"the full snapshot, {SNAPSHOT_KEY}")
    mode("--changes", const="changes", help=f"the deltas under {CHANGES_PREFIX}")
    what.add_argument("--file", type=Path, metavar="PATH", help="one export on disk, taken as a delta")
    mode("--adopt", const="adopt", help="take over the trigger-derived schema")
    add = parser.add_argument
    add("--apply", action="store_true", help="write; without it nothing is written")
    since = "with --changes: only deltas exported from then on (Nairobi time)"
    add("--since", type=_since, metavar="TIME", help=since)
    shrink = "with --snapshot: believe it though it lost over 5 %% of the rows"
    add("--accept-shrink", action="store_true", help=shrink)
    reset = "put a watermark right that is ahead of the database's clock, alone or before a load"
    add("--reset-watermark", action="store_true", help=reset)
    add("--quiet", action="store_true", help="say nothing of what brought nothing new")
    add("--log-format", choices=("text", "json"), default="text", help="json: one object a line")
    add("--env-file", metavar="PATH", default=env_file, help="settings of this fleet (default .env)")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    args = parser.parse_args(argv)
    if args.env_file != env_file and not os.path.exists(args.env_file):
        parser.error(f"--env-file: {args.env_file}: no such file")
    args.mode = args.mode or ("file" if args.file else None)
    if not args.mode and not args.reset_watermark:
        parser.error("one of --snapshot --changes --file --adopt --reset-watermark is required")
    if args.since and args.mode != "changes":
        parser.error("--since goes with --changes")
    if args.accept_shrink and args.mode != "snapshot":
        parser.error("--accept-shrink goes with --snapshot")
    return args


def main(argv: list[str] | None = None, env_file: str = ".env") -> int:
    """Run the loader; gives the exit code."""
    keep_stderr()
    try:
        args = _arguments(argv, env_file)
    except SystemExit as end:
        return int(end.code or 0)
    handler = logging.StreamHandler()
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    # psycopg warns while it leaves a lost connection. The error it leaves for says all, in one line.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    handler.setFormatter(Formatter(args.log_format == "json"))
    try:
        settings = read_settings(args.env_file)
        handler.setFormatter(Formatter(args.log_format == "json", settings.secrets()))
        if args.mode == "adopt":
            return adopt(settings, writing=args.apply)
        with Landing(settings, writing=args.apply) as landing:
            if args.reset_watermark:
                _reset_watermark(landing)
            return _load_all(landing, settings, args) if args.mode else 0
    except Failure as error:
        log.error("%s", error)
        return error.exit_code
    except psycopg.Error as error:
        log.error("the database refuses: %s", first_line(error))
        return 2
    except KeyboardInterrupt:
        log.error("interrupted; the object in hand was not landed")
        return 130


def _reset_watermark(landing: Landing) -> None:
    """Put watermarks that are ahead of the clock right, or say that this would be done."""
    ahead = ", ".join(f"{feed} {when:%Y-%m-%d %H:%M UTC}" for feed, when in landing.watermarks_ahead())
    if not ahead:
        log.info("no watermark is ahead of the database's clock")
    elif landing.writing:
        log.info(
            "watermark ahead of the clock put right: %s; %d rows with it", ahead, landing.reset_watermark()
        )
    else:
        log.info("dry run: would put the watermark right that is ahead of the clock: %s", ahead)


def _load_all(landing: Landing, settings: Settings, args: argparse.Namespace) -> int:
    """Land what is not yet landed, oldest first; the exit code is 1 if any object was refused."""
    code = 0
    for feed, when in landing.watermarks_ahead():
        log.error(
            "the watermark of %s, %s, is ahead of the database's clock and not believed: %s", feed, when,
            "run once with --reset-watermark",
        )  # fmt: skip
        code = 1
    found, read = _find(settings, args)

    def exported_at(each: StoredObject) -> datetime:
        return key_time(Path(each.key).name) or each.modified_at or LONG_AGO

    objects = sorted(found, key=lambda each: (exported_at(each), each.key))
    applied = landing.applied([each.key for each in objects if NUL not in each.key])
    todo = [
        each
        for each in objects
        if applied.get(each.key) != each.etag and (not args.since or exported_at(each) >= args.since)
    ]
    collecting = gc.isenabled()
    gc.disable()  # which looks for cycles among millions of records, time and again, and finds none
    try:
        for each in tqdm(todo, unit="object", disable=not sys.stderr.isatty() or len(todo) < 2):
            if not _load_one(landing, args, each, read, settings.fuel_max_object_mb << 20):
                code = 1
    finally:
        if collecting:
            gc.enable()
    if not todo:
        fields = {"mode": args.mode, "objects": len(objects)}
        level = logging.DEBUG if args.quiet else logging.INFO
        log.log(level, "nothing new: %d objects looked at", len(objects), extra=fields)
    if args.apply:
        landing.forget(settings.fuel_keep_days)
        if not todo:
            landing.confirm(args.mode)
    return code


Reader = Callable[[str], tuple[str, bytearray]]


def _find(settings: Settings, args: argparse.Namespace) -> tuple[Iterable[StoredObject], Reader]:
    """The objects that may be landed, and how one of them is read."""
    limit = settings.fuel_max_object_mb << 20
    if args.mode == "file":
        return [_stored_file(args.file)], lambda key: _read_file(args.file, limit)
    bucket = Bucket(settings)
    if args.mode == "changes":
        found = (each for each in bucket.list(CHANGES_PREFIX) if each.key.endswith((".json", ".json.gz")))
        return found, lambda key: bucket.read(key, limit)
    snapshot = [each for each in bucket.list(SNAPSHOT_KEY) if each.key == SNAPSHOT_KEY]
    if not snapshot:
        raise Missing(f"bucket {bucket.name!r} holds no {SNAPSHOT_KEY}: has the export run?")
    return snapshot, lambda key: bucket.read(key, limit)


def _stored_file(path: Path) -> StoredObject:
    digest = md5(usedforsecurity=False)
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError(f"--file: {path}: not a regular file")  # it is read twice
        with path.open("rb") as stream:
            for chunk in iter(lambda: stream.read(CHUNK), b""):
                digest.update(chunk)
        modified_at = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    except OSError as error:
        raise ConfigurationError(f"--file: {path}: {error.strerror}") from None
    except (ValueError, OverflowError):
        raise ConfigurationError(f"--file: {path}: modified after the year 9999: touch it") from None
    key = os.fsencode(path.resolve()).decode(errors="backslashreplace")
    return StoredObject(key, digest.hexdigest(), modified_at)


def _read_file(path: Path, limit: int) -> tuple[str, bytearray]:
    with path.open("rb") as stream:
        return _stored_file(path).etag, unpack(stream, limit)


def _load_one(
    landing: Landing, args: argparse.Namespace, stored: StoredObject, read: Reader, max_bytes: int
) -> bool:
    """Land one object, and log what became of it; false if it was refused."""
    started = time.monotonic()
    in_key = key_time(Path(stored.key).name)
    source = Source(args.mode, stored.key, stored.etag, in_key or stored.modified_at, in_key is not None)
    fields: dict[str, object] = {"mode": args.mode, "key": stored.key}
    refusal = ""
    try:
        with bounded_memory(max_bytes):
            if NUL in stored.key:
                raise RefusedObject("a NUL in its key, which PostgreSQL cannot hold")
            source.etag, body = read(stored.key)
            feed = parse(body)
            check_fits(len(feed.raws), max_bytes)
            if feed.exported_at:
                source.exported_at, source.stated = feed.exported_at, True
            load_id, counts = landing.load(source, feed, accept_shrink=args.accept_shrink)
    except RefusedObject as error:
        refusal = str(error)
    except MemoryError:
        refusal = f"it does not fit into memory; FUEL_MAX_OBJECT_MB ({max_bytes >> 20}) may allow more"
    if refusal:
        if args.apply and NUL not in stored.key:
            landing.refuse(source, refusal)
        log.error("refused %s: %s", stored.key, refusal, extra={**fields, "error": refusal})
        return False
    fields |= {"load_id": load_id, "counts": vars(counts), "seconds": round(time.monotonic() - started, 3)}
    words = ", ".join(f"{count} {name}" for name, count in vars(counts).items())
    what = f"load {load_id}: landed" if load_id else "dry run: would land"
    is_news = counts.inserted or counts.updated or counts.absent or not args.quiet
    level = logging.INFO if is_news else logging.DEBUG
    log.log(level, "%s %s: %s (%.1f s)", what, stored.key, words, fields["seconds"], extra=fields)
    return True
