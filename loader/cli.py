"""The command line."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loader.landing import Landing, Source

log = logging.getLogger("loader")
SNAPSHOT_KEY = "fuel_records/latest.json"
CHANGES_PREFIX = "fuel_records/changes/"

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

settings, from the environment or a .env file here (the environment wins):
  PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSSLMODE, or DATABASE_URL
  RUSTFS_ENDPOINT RUSTFS_ACCESS_KEY RUSTFS_SECRET_KEY RUSTFS_BUCKET (fuel) RUSTFS_REGION (us-east-1)
  FUEL_MAX_OBJECT_MB (1024)              largest object, decompressed

exit codes: 0 done; 1 some input was refused, the rest is landed; 2 usage or configuration;
  69 database or bucket unreachable; 75 another load is running
"""


def _since(text: str) -> datetime:
    from loader.feed import NAIROBI, key_time

    when = key_time(text, NAIROBI)
    if when is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no date or time like 2026-11-01 or 2026-11-01T06:00Z")
    return when


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "fuel-loader",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--snapshot", action="store_true", help=f"the full snapshot, {SNAPSHOT_KEY}")
    what.add_argument("--changes", action="store_true", help=f"the deltas under {CHANGES_PREFIX}")
    what.add_argument("--file", type=Path, metavar="PATH", help="one export on disk, taken as a delta")
    what.add_argument(
        "--adopt", action="store_true", help="take over a database of the trigger-derived schema"
    )
    parser.add_argument("--apply", action="store_true", help="write; without it nothing is written")
    parser.add_argument(
        "--since",
        type=_since,
        metavar="TIME",
        help="with --changes: only deltas exported from then on (a time without zone is Nairobi's)",
    )
    parser.add_argument(
        "--accept-shrink", action="store_true", help="with --snapshot: believe it although it lost more than 5 %% of the rows, or its record_count is wrong"
    )  # fmt: skip
    parser.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="json: one object a line"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the loader; the exit code."""
    parser = _parser()
    try:
        args = parser.parse_args(argv)
        if args.since and not args.changes:
            parser.error("--since goes with --changes")
        if args.accept_shrink and not args.snapshot:
            parser.error("--accept-shrink goes with --snapshot")
    except SystemExit as end:
        return int(end.code or 0)
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if args.log_format == "json" else _TextFormatter("%(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False

    from loader.bucket import Unreachable
    from loader.landing import Busy
    from loader.settings import ConfigurationError

    try:
        return _run(args)
    except ConfigurationError as error:
        log.error("%s", error)
        return 2
    except Unreachable as error:
        log.error("%s", error)
        return 69
    except Busy as error:
        log.error("%s", error)
        return 75
    except KeyboardInterrupt:
        log.error("interrupted; what was not committed is as before")
        return 130


def _run(args: argparse.Namespace) -> int:
    from loader.landing import Landing
    from loader.settings import read_loader

    settings = read_loader()
    limit = settings.fuel_max_object_mb << 20
    if args.file and not args.file.is_file():
        from loader.settings import ConfigurationError

        raise ConfigurationError(f"--file: there is no file {args.file}")
    with Landing(settings, writing=args.apply) as landing:
        if args.adopt:
            from loader.adopt import adopt

            return adopt(landing)
        if args.file:
            return _load_all(landing, args, [_file(args.file)], lambda key: _read_file(args.file, limit))

        from loader.bucket import Bucket
        from loader.settings import read_bucket

        bucket = Bucket(read_bucket())
        if args.snapshot:
            found = bucket.find(SNAPSHOT_KEY)
            if found is None:
                log.error("there is no %s in bucket %s: has the export run?", SNAPSHOT_KEY, bucket.name)
                return 1
            objects = [found]
        else:
            objects = [
                each for each in bucket.list(CHANGES_PREFIX) if each.key.endswith((".json", ".json.gz"))
            ]
        return _load_all(landing, args, objects, lambda key: bucket.read(key, limit))


def _file(path: Path):  # type: ignore[no-untyped-def]
    from hashlib import md5

    from loader.bucket import StoredObject

    with path.open("rb") as stream:
        digest = md5(usedforsecurity=False)
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    modified = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
    return StoredObject(str(path.resolve()), digest.hexdigest(), modified)


def _read_file(path: Path, limit: int) -> tuple[str, bytearray]:
    from loader.bucket import unpack

    with path.open("rb") as stream:
        return _file(path).etag, unpack(iter(lambda: stream.read(1 << 20), b""), limit)


def _load_all(landing: Landing, args: argparse.Namespace, objects: Iterable, read: Callable) -> int:  # type: ignore[type-arg]
    """Land what is not yet landed, oldest first. The exit code: 1 if any object was refused."""
    from loader.bucket import RefusedObject
    from loader.feed import key_time

    mode = "snapshot" if args.snapshot else "changes" if args.changes else "file"
    dated = sorted((key_time(Path(each.key).name) or each.modified_at, each.key, each) for each in objects)
    applied = landing.applied([key for _, key, _ in dated])
    todo = [
        each
        for when, key, each in dated
        if applied.get(key) != each.etag and (not args.since or when >= args.since)
    ]
    if not todo:
        if args.apply:
            landing.confirm(mode)
        log.info(
            "nothing new: %d objects, all landed before",
            len(dated),
            extra={"mode": mode, "objects": len(dated)},
        )
        return 0
    refused = 0
    for each in _progress(todo):
        try:
            _load_one(landing, mode, each, read, args)
        except RefusedObject:
            refused += 1
    return 1 if refused else 0


def _progress(todo):  # type: ignore[no-untyped-def]
    if not sys.stderr.isatty() or len(todo) < 2:
        return todo
    from tqdm import tqdm

    return tqdm(todo, unit="object")


def _load_one(landing: Landing, mode: str, stored, read: Callable, args: argparse.Namespace) -> None:  # type: ignore[no-untyped-def,type-arg]
    from loader.bucket import RefusedObject
    from loader.feed import key_time, parse
    from loader.landing import Source

    started, started_at = time.perf_counter(), datetime.now(timezone.utc)
    in_key = key_time(Path(stored.key).name)
    source = Source(
        mode, stored.key, stored.etag, in_key or stored.modified_at, in_key is not None, started_at
    )
    try:
        etag, body = read(stored.key)
        feed = parse(body)
        source = Source(
            mode, stored.key, etag, feed.exported_at or source.exported_at,
            source.stated or feed.exported_at is not None, started_at,
        )  # fmt: skip
        load_id, counts = landing.load(source, feed, accept_shrink=args.accept_shrink)
    except RefusedObject as error:
        if args.apply:
            landing.refuse(source, str(error))
        log.error("refused %s: %s", stored.key, error, extra={"key": stored.key, "error": str(error)})
        raise
    fields = vars(counts)
    seconds = round(time.perf_counter() - started, 3)
    done = f"load {load_id}: landed" if load_id else "dry run: would land"
    words = ", ".join(f"{value} {name}" for name, value in fields.items())
    log.info(
        "%s %s: %s (%.1f s)", done, stored.key, words, seconds,
        extra={"load_id": load_id, "mode": mode, "key": stored.key, "counts": fields, "seconds": seconds},
    )  # fmt: skip


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return (
            f"{record.levelname.lower()}: {record.getMessage()}"
            if record.levelno > logging.INFO
            else record.getMessage()
        )


class _JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, message, and the fields of the event."""

    FIELDS = ("load_id", "mode", "key", "objects", "counts", "seconds", "error")

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, timezone.utc).isoformat()
        fields = {name: getattr(record, name) for name in self.FIELDS if hasattr(record, name)}
        return json.dumps(
            {"time": when, "level": record.levelname.lower(), "message": record.getMessage(), **fields}
        )
