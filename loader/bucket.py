"""The bucket: what it holds, and the bytes of one object."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import boto3
import tenacity
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from loader.settings import ConfigurationError, Settings

log = logging.getLogger("loader")
T = TypeVar("T")
CHUNK = 1 << 20
READ_TIMEOUT_SECONDS = 60.0


class RefusedObject(Exception):
    """An object of which nothing is landed; the message says why (exit 1)."""


class Unreachable(Exception):
    """The bucket or the database cannot be reached, after retries (exit 69)."""


@dataclass(frozen=True)
class StoredObject:
    """One object as listed: `etag` without quotes, `modified_at` with its zone."""

    key: str
    etag: str
    modified_at: datetime


def first_line(error: BaseException | None) -> str:
    """What an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def retrying(retry_on: Callable[[BaseException], bool], what: str) -> tenacity.Retrying:
    """Five attempts with exponential backoff: 0.5, 1, 2 and 4 seconds, each with jitter."""

    def say(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("%s: attempt %d of 5 failed: %s", what, state.attempt_number, first_line(error))

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(retry_on),
        stop=tenacity.stop_after_attempt(5),
        wait=tenacity.wait_exponential_jitter(0.5, jitter=0.5),
        before_sleep=say,
        reraise=True,
    )


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, ClientError):
        return _status(error) >= 500 or _status(error) in (408, 429)
    return isinstance(error, (BotoCoreError, OSError))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


class Bucket:
    """One bucket of an S3-compatible server, path-style."""

    def __init__(self, settings: Settings) -> None:
        settings.need("rustfs_endpoint", "rustfs_access_key", "rustfs_secret_key")
        assert settings.rustfs_secret_key
        self.name = settings.rustfs_bucket
        self.endpoint = str(settings.rustfs_endpoint)
        self._client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=settings.rustfs_access_key,
            aws_secret_access_key=settings.rustfs_secret_key.get_secret_value(),
            region_name=settings.rustfs_region,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},  # retried here, downloads included
                connect_timeout=10,
                read_timeout=READ_TIMEOUT_SECONDS,
                response_checksum_validation="when_required",  # many S3-compatible servers know no newer ones
            ),
        )

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects under `prefix`, however many."""
        token: dict[str, Any] = {}
        while True:
            page = self._call(self._client.list_objects_v2, Bucket=self.name, Prefix=prefix, **token)
            for item in page.get("Contents", ()):
                yield StoredObject(item["Key"], item["ETag"].strip('"'), item["LastModified"])
            if not page["IsTruncated"]:
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def read(self, key: str, max_bytes: int) -> tuple[str, bytearray]:
        """Download one object: its ETag at that moment, and its bytes, decompressed.

        Raises:
            RefusedObject: larger than `max_bytes`, gone, or not decompressible.
            Unreachable: the bucket failed, or broke off, time and again.
        """

        def download() -> tuple[str, bytearray]:
            answer = self._client.get_object(Bucket=self.name, Key=key)
            with closing(answer["Body"]) as stream:  # closing: its own context would not notice a cut
                return answer["ETag"].strip('"'), unpack(iter(lambda: stream.read(CHUNK), b""), max_bytes)

        return self._call(download)

    def _call(self, request: Callable[..., T], **arguments: Any) -> T:
        try:
            return retrying(_is_passing, f"bucket {self.name}")(request, **arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code == "NoSuchKey":
                raise RefusedObject("the object has gone from the bucket") from None
            if code == "NoSuchBucket":
                raise ConfigurationError(
                    f"RUSTFS_BUCKET: {self.endpoint} has no bucket {self.name!r}"
                ) from None
            if _status(error) in (401, 403):
                names = "RUSTFS_ACCESS_KEY, RUSTFS_SECRET_KEY"
                raise ConfigurationError(f"{names}: {self.endpoint} refuses them for {self.name!r}") from None
            raise Unreachable(f"the bucket fails (RUSTFS_ENDPOINT {self.endpoint}): {error}") from None
        except (BotoCoreError, OSError) as error:
            raise Unreachable(
                f"the bucket cannot be reached (RUSTFS_ENDPOINT {self.endpoint}): {error}"
            ) from None


def unpack(chunks: Iterable[bytes], max_bytes: int) -> bytearray:
    """Join the chunks, decompressing gzip, and no further than `max_bytes`: a gzip bomb fills no memory.

    Raises:
        RefusedObject: more than `max_bytes`, or the gzip stream is damaged or cut short.
    """
    body = bytearray()
    inflate: Any = None
    try:
        for chunk in chunks:
            if not body and chunk[:2] == b"\x1f\x8b":
                inflate = zlib.decompressobj(wbits=31)
            if inflate is None:
                body += chunk
            while inflate and chunk and len(body) <= max_bytes:
                if inflate.eof:  # a gzip file may have several members
                    inflate = zlib.decompressobj(wbits=31)
                body += inflate.decompress(chunk, CHUNK)
                chunk = inflate.unconsumed_tail or inflate.unused_data
            if len(body) > max_bytes:
                raise RefusedObject(f"larger than {max_bytes >> 20} MB; FUEL_MAX_OBJECT_MB allows more")
        if inflate:
            body += inflate.flush()
            if not inflate.eof:
                raise RefusedObject("gzip cut short")
    except zlib.error as error:
        raise RefusedObject(f"damaged gzip: {error}") from None
    return body
