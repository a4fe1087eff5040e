"""The importer of the trigger-derived design: every record of the snapshot, `executemany` of 1,000 rows."""

from __future__ import annotations

import json
import os
import sys
from itertools import islice

import boto3
import psycopg
from botocore.config import Config


def main(key: str) -> None:
    """Download the snapshot, then upsert all of it; the trigger derives the columns."""
    client = boto3.client(
        "s3",
        endpoint_url=os.environ["RUSTFS_ENDPOINT"],
        aws_access_key_id=os.environ["RUSTFS_ACCESS_KEY"],
        aws_secret_access_key=os.environ["RUSTFS_SECRET_KEY"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    body = client.get_object(Bucket=os.environ["RUSTFS_BUCKET"], Key=key)["Body"].read()
    records = iter(json.loads(body)["records"])
    with psycopg.connect() as conn, conn.cursor() as cursor:
        while batch := list(islice(records, 1000)):
            cursor.executemany(
                "insert into legacy.records (id, raw) values (%s, %s)"
                " on conflict (id) do update set raw = excluded.raw",
                [(str(record["id"]), json.dumps(record)) for record in batch],
            )


if __name__ == "__main__":
    main(sys.argv[1])
