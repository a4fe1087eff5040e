"""The snapshot as the peers download it. dlt runs in an environment that has none of the project."""

import os

import boto3
from botocore.config import Config


def body(key: str) -> bytes:
    """The object under `key` in the bucket of the environment."""
    client = boto3.client(
        "s3",
        endpoint_url=os.environ["RUSTFS_ENDPOINT"],
        aws_access_key_id=os.environ["RUSTFS_ACCESS_KEY"],
        aws_secret_access_key=os.environ["RUSTFS_SECRET_KEY"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}),
    )
    downloaded: bytes = client.get_object(Bucket=os.environ["RUSTFS_BUCKET"], Key=key)["Body"].read()
    return downloaded
