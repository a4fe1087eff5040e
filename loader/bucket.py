"""The bucket: what it holds, and the bytes of one object."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from urllib3.exceptions import HTTPError

from loader.failures import ConfigurationError, RefusedObject, Unreachable, first_line
from loader.session import retrying
from loader.settings import Settings

T = TypeVar("T")
CHUNK = 1 << 20
READ_TIMEOUT_SECONDS = 60.0
IN_VAIN = 100  # pages without a key, one after the other
FORBIDDEN = (401, 403)
WRONG_CLOCK = ("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture")
# The last one: a TLS connection that breaks while a body is read is not put into botocore's own words.
BROKEN = (BotoCoreError, OSError, HTTPError)


@dataclass(frozen=True)
class StoredObject:
    """One object as listed: `etag` without quotes, `modified_at` with its zone if the server says it."""

    key: str
    etag: str
    modified_at: datetime | None


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, ClientError):
        return _status(error) >= 500 or _status(error) in (408, 429)
    return isinstance(error, BROKEN) and not isinstance(error, ParamValidationError)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))


class Bucket:
    """One bucket of an S3-compatible server, path-style."""

    def __init__(self, settings: Settings) -> None:
        settings.need("rustfs_endpoint", "rustfs_access_key", "rustfs_secret_key")
        assert settings.rustfs_secret_key
        self.name = settings.rustfs_bucket
        self.endpoint = str(settings.rustfs_endpoint)
        config = Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},  # retried here, downloads included
            connect_timeout=10,
            read_timeout=READ_TIMEOUT_SECONDS,
            response_checksum_validation="when_required",  # many S3-compatible servers know no newer ones
        )
        try:
            self._client = boto3.client(
                "s3",
                endpoint_url=self.endpoint,
                aws_access_key_id=settings.rustfs_access_key,
                aws_secret_access_key=settings.rustfs_secret_key.get_secret_value(),
                region_name=settings.rustfs_region,
                config=config,
            )
        except (ValueError, BotoCoreError) as error:  # boto3 reads AWS_PROFILE and the like, too
            names = "RUSTFS_ENDPOINT, RUSTFS_REGION or a variable of AWS"
            raise ConfigurationError(f"{names}: {first_line(error)}") from None

    def list(self, prefix: str) -> list[StoredObject]:
        """All objects under `prefix`, however many; begun anew if it breaks off.

        A listing is not believed blindly: once it ends, the bucket is asked for keys after the last one.
        """

        def listing() -> list[StoredObject]:
            found: dict[str, StoredObject] = {}
            following: dict[str, Any] = {}
            last, in_vain = "", 0
            while True:
                page = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, **following)
                if "IsTruncated" not in page:  # say, the page of some web server
                    raise ConfigurationError(
                        f"RUSTFS_ENDPOINT: what answers at {self.endpoint} is no S3 server"
                    )
                items = {item["Key"]: self._stored(item) for item in page.get("Contents", ())}
                is_fresh = not items.keys() <= found.keys()
                is_over = not page["IsTruncated"] and items.keys() <= {last}
                found.update(items)
                in_vain = 0 if is_fresh else in_vain + 1
                last = max([last, *items], key=lambda key: key.encode(errors="surrogatepass"))
                token = page.get("NextContinuationToken") if page["IsTruncated"] else None
                is_new = token and token != following.get("ContinuationToken") and in_vain < IN_VAIN
                if is_new and (is_fresh or not items):
                    following = {"ContinuationToken": token}
                elif last and (is_fresh or "StartAfter" not in following):
                    following = {"StartAfter": last}
                elif is_over:
                    return list(found.values())
                else:
                    raise Unreachable(
                        f"the bucket fails (RUSTFS_ENDPOINT {self.endpoint}): its listing of {prefix} "
                        "repeats itself, or never ends"
                    )

        return self._call(listing)

    def _stored(self, item: Any) -> StoredObject:
        return StoredObject(item["Key"], self._etag(item), item.get("LastModified"))

    def read(self, key: str, max_bytes: int) -> tuple[str, bytearray]:
        """Download one object: its ETag at that moment, and its bytes, decompressed.

        Raises:
            RefusedObject: larger than `max_bytes`, gone, not decompressible, or not given out by the bucket.
            Unreachable: the bucket failed, or broke off, time and again.
        """

        def download() -> tuple[str, bytearray]:
            answer = self._open(key)
            body: Any = answer["Body"]
            with io.BufferedReader(body, CHUNK) as stream:
                return self._etag(answer), unpack(stream, max_bytes)

        try:
            return self._call(download)
        except Unreachable as error:
            # One damaged object must not keep all that come after it from being landed.
            if self._lists(key):
                raise RefusedObject(f"{error}; it answers otherwise") from None
            raise

    def _open(self, key: str) -> Any:
        try:
            return self._client.get_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                raise RefusedObject("the object has gone from the bucket") from None
            if _code(error) == "InvalidObjectState":
                raise RefusedObject("the object is archived: restore it") from None
            if _status(error) in FORBIDDEN and self._gives_another_than(key):
                raise RefusedObject(f"the bucket does not give it out ({_code(error)})") from None
            raise

    def _lists(self, key: str) -> bool:
        """Whether the bucket answers at all: the object in hand is to blame then."""
        with suppress(ClientError, *BROKEN):
            self._client.list_objects_v2(Bucket=self.name, Prefix=key, MaxKeys=1)
            return True
        return False

    def _gives_another_than(self, key: str) -> bool:
        """Whether the bucket gives out an object beside this one. If none, the keys may only list."""
        folder = key.rpartition("/")[0]
        with suppress(ClientError, *BROKEN):
            page = self._client.list_objects_v2(Bucket=self.name, Prefix=folder, MaxKeys=100)
            for other in page.get("Contents", ()):
                if other["Key"] != key:
                    with suppress(ClientError):
                        self._client.head_object(Bucket=self.name, Key=other["Key"])
                        return True
        return False

    def _etag(self, answer: Any) -> str:
        """Without quotes, and without the mark of a weak one, which a proxy may set in one place only."""
        if "ETag" not in answer:
            raise ConfigurationError(f"RUSTFS_ENDPOINT: {self.endpoint} gives no ETags")
        etag: str = answer["ETag"]
        return etag.removeprefix("W/").strip('"')

    def _call(self, request: Callable[[], T]) -> T:
        try:
            return retrying(_is_passing, f"bucket {self.name}")(request)
        except ParamValidationError:
            raise ConfigurationError(f"RUSTFS_BUCKET: {self.name!r} cannot be the name of a bucket") from None
        except ClientError as error:
            code = _code(error)
            if code == "NoSuchBucket":
                raise ConfigurationError(
                    f"RUSTFS_BUCKET: {self.endpoint} has no bucket {self.name!r}"
                ) from None
            if code == "NoSuchKey":  # the server took the name for that of an object in another bucket
                raise ConfigurationError(
                    f"RUSTFS_ENDPOINT: leave the bucket's name out of {self.endpoint}"
                ) from None
            if code == "AuthorizationHeaderMalformed":
                raise ConfigurationError(f"RUSTFS_REGION: {error}") from None
            if code in WRONG_CLOCK:
                raise ConfigurationError(
                    f"the clock of this machine, or that of {self.endpoint}, is wrong ({code}): set it"
                ) from None
            if _status(error) in FORBIDDEN:
                names = "RUSTFS_ACCESS_KEY, RUSTFS_SECRET_KEY"
                raise ConfigurationError(
                    f"{names}: {self.endpoint} refuses them for {self.name!r} ({code})"
                ) from None
            raise Unreachable(f"the bucket fails (RUSTFS_ENDPOINT {self.endpoint}): {error}") from None
        except ValueError as error:  # botocore's, of a time, say
            answer = f"the bucket's answer cannot be read (RUSTFS_ENDPOINT {self.endpoint})"
            raise Unreachable(f"{answer}: {first_line(error)}") from None
        except BROKEN as error:
            raise Unreachable(
                f"the bucket cannot be reached (RUSTFS_ENDPOINT {self.endpoint}): {error}"
            ) from None


def unpack(stream: io.BufferedReader, max_bytes: int) -> bytearray:
    """Read all of a stream, decompressing gzip, and no further than `max_bytes`: a gzip bomb fills no memory.

    Raises:
        RefusedObject: more than `max_bytes`, or the gzip stream is damaged or cut short.
    """
    plain = gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == b"\x1f\x8b" else stream
    body = bytearray()
    try:
        while chunk := plain.read(CHUNK):
            body += chunk
            if len(body) > max_bytes:
                raise RefusedObject(f"larger than {max_bytes >> 20} MB; FUEL_MAX_OBJECT_MB allows more")
    except EOFError:
        raise RefusedObject("gzip cut short") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RefusedObject(f"damaged gzip: {error}") from None
    return body
