"""The loader: lands the raw fuel feed of an S3 bucket in `fuel.records_raw`."""

__version__ = "0.2.0"
