"""dlt landing the same snapshot, run in its own virtual environment: `dlt_peer.py default|fastest KEY`.

`default`: a resource of dicts, `write_disposition="merge"`. `fastest`: its quickest documented way,
Arrow tables as parquet through ADBC, `upsert`, timestamps left as text.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
from snapshot import body


def snapshot(key: str) -> list[dict[str, Any]]:
    """The records of the snapshot in the bucket."""
    found: list[dict[str, Any]] = json.loads(body(key))["records"]
    return found


def as_text(record: dict[str, Any]) -> dict[str, str | None]:
    """Numbers and text mix in the feed; an Arrow column has one type."""
    return {name: None if value is None else str(value) for name, value in record.items()}


def main(way: str, key: str) -> None:
    """Run one pipeline and print nothing."""
    pipeline = dlt.pipeline(
        pipeline_name=f"peer_{way}",
        pipelines_dir=os.environ["DLT_PIPELINES_DIR"],
        destination=dlt.destinations.postgres(os.environ["DLT_URL"]),
        dataset_name=f"dlt_{way}",
    )
    if way == "default":

        @dlt.resource(name="records", primary_key="id", write_disposition="merge")
        def rows() -> Iterator[Any]:
            yield snapshot(key)

        pipeline.run(rows())
    else:
        columns = ("id", "car", "driver", "department", "fuel_type", "litres", "amount", "odometer",
                   "datetime", "created_at", "updated_at", "deleted_at", "message")  # fmt: skip
        schema = pa.schema([(name, pa.string()) for name in columns])

        @dlt.resource(
            name="records", primary_key="id", write_disposition={"disposition": "merge", "strategy": "upsert"}
        )
        def tables() -> Iterator[Any]:
            records = snapshot(key)
            for start in range(0, len(records), 100_000):
                chunk = [as_text(record) for record in records[start : start + 100_000]]
                yield pa.Table.from_pylist(chunk, schema=schema)

        pipeline.run(tables(), loader_file_format="parquet")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
