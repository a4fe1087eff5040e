"""The bucket: what it holds, and the bytes of one object."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import boto3
import tenacity
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ParamValidationError

from loader.settings import BucketSettings, ConfigurationError

log = logging.getLogger("loader")
T = TypeVar("T")
CHUNK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


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


def retrying(retry_on: Callable[[BaseException], bool], what: str) -> tenacity.Retrying:
    """Five attempts with exponential backoff (0.5 s, 1 s, 2 s, 4 s, each with jitter)."""

    def say(state: tenacity.RetryCallState) -> None:
        assert state.outcome is not None
        log.warning(
            "%s: %s; attempt %d of 5 failed, trying again",
            what,
            state.outcome.exception(),
            state.attempt_number,
        )

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(retry_on),
        stop=tenacity.stop_after_attempt(5),
        wait=tenacity.wait_exponential_jitter(0.5, max=8, jitter=0.5),
        before_sleep=say,
        reraise=True,
    )


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or status in (408, 429)
    return isinstance(error, (BotoCoreError, OSError)) and not isinstance(error, ParamValidationError)


class Bucket:
    """One bucket of an S3-compatible server, path-style."""

    def __init__(self, settings: BucketSettings) -> None:
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
                read_timeout=60,
                # Newer checksums are unknown to many S3-compatible servers.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def find(self, key: str) -> StoredObject | None:
        """The object under `key` as it is now, or nothing."""
        try:
            head = self._call(lambda: self._client.head_object(Bucket=self.name, Key=key))
        except ClientError:
            return None
        return StoredObject(key, head["ETag"].strip('"'), head["LastModified"])

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects under `prefix`, however many."""
        token: dict[str, Any] = {}
        while True:
            page = self._call(
                lambda token=token: self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, **token)  # type: ignore[misc]
            )
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"], item["ETag"].strip('"'), item["LastModified"])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def read(self, key: str, max_bytes: int) -> tuple[str, bytearray]:
        """Download one object: its ETag at that moment, and its bytes, decompressed.

        Raises:
            RefusedObject: larger than `max_bytes`, gone, or not decompressible.
        """

        def download() -> tuple[str, bytearray]:
            answer = self._client.get_object(Bucket=self.name, Key=key)
            with answer["Body"] as stream:
                body = unpack(iter(lambda: stream.read(CHUNK), b""), max_bytes)
            return answer["ETag"].strip('"'), body

        try:
            return self._call(download)
        except ClientError:
            raise RefusedObject("the object is gone from the bucket") from None

    def _call(self, request: Callable[[], T]) -> T:
        """Run `request` with retries; only "no such key" comes out as ClientError."""
        try:
            return retrying(_is_passing, f"bucket {self.name}")(request)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code == "NoSuchBucket":
                raise ConfigurationError(
                    f"RUSTFS_BUCKET: there is no bucket {self.name!r} at {self.endpoint}"
                ) from None
            if status in (401, 403):
                raise ConfigurationError(
                    f"RUSTFS_ACCESS_KEY or RUSTFS_SECRET_KEY: {self.endpoint} refuses them for bucket {self.name!r}"
                ) from None
            if status == 404:
                raise
            raise Unreachable(f"RUSTFS_ENDPOINT: {self.endpoint} fails: {error}") from None
        except (BotoCoreError, OSError, HTTPClientError) as error:
            raise Unreachable(f"RUSTFS_ENDPOINT: {self.endpoint} cannot be reached: {error}") from None


def unpack(chunks: Iterable[bytes], max_bytes: int) -> bytearray:
    """Join the chunks, decompressing them if they are gzip, and bounded so that no gzip bomb fills the memory.

    Raises:
        RefusedObject: more than `max_bytes`, or the gzip stream is damaged or cut short.
    """
    body = bytearray()
    inflate: Any = None
    for number, chunk in enumerate(chunks):
        if number == 0 and chunk[:2] == GZIP_MAGIC:
            inflate = zlib.decompressobj(wbits=31)
        if inflate is None:
            body += chunk
        else:
            try:
                while chunk and len(body) <= max_bytes:
                    if inflate.eof:  # the next member of a gzip file
                        inflate = zlib.decompressobj(wbits=31)
                    body += inflate.decompress(chunk, CHUNK)
                    chunk = inflate.unconsumed_tail or inflate.unused_data
            except zlib.error as error:
                raise RefusedObject(f"damaged gzip: {error}") from None
        if len(body) > max_bytes:
            raise RefusedObject(f"larger than {max_bytes >> 20} MB; FUEL_MAX_OBJECT_MB allows more")
    if inflate is not None:
        body += inflate.flush()
    if inflate is not None and not inflate.eof:
        raise RefusedObject("gzip cut short")
    return body
