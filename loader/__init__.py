"""The loader: lands the raw fuel feed of an S3 bucket in `fuel.records_raw`."""
