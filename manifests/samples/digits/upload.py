"""Puts scikit-learn's handwritten digits where the sample reads them: `label,pixel,...` rows in a few CSV objects.

    python manifests/samples/digits/upload.py s3://team-a-ml/raw/digits/

The bucket must exist. An object whose content is there already is left alone: a new version of it would be new data, and new
data is a new run. AWS_ENDPOINT_URL and the other AWS variables are honoured.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError
from sklearn.datasets import load_digits

OBJECTS = 4


def documents() -> dict[str, bytes]:
    """File name -> content; the same bytes on every machine. Row i goes to object i modulo OBJECTS."""
    digits = load_digits()
    rows = [",".join(str(int(value)) for value in (label, *pixels)) for label, pixels in zip(digits.target, digits.data, strict=True)]
    return {f"digits-{part}.csv": ("\n".join(rows[part::OBJECTS]) + "\n").encode() for part in range(OBJECTS)}


def upload(client: Any, uri: str, files: Mapping[str, bytes]) -> list[str]:
    """Keys of the objects that were written. ClientError, such as NoSuchBucket, from AWS."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    written = []
    for name, content in files.items():
        key = f"{prefix}{name}"
        if existing(client, bucket, key) != content:
            client.put_object(Bucket=bucket, Key=key, Body=content, ContentType="text/csv")
            written.append(key)
    return written


def existing(client: Any, bucket: str, key: str) -> bytes | None:
    try:
        content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    return content


def main(argv: list[str]) -> int:
    if len(argv) != 1 or not argv[0].startswith("s3://") or not argv[0].endswith("/"):
        sys.stderr.write("usage: python manifests/samples/digits/upload.py s3://bucket/prefix/\n")
        return 2
    files = documents()
    written = upload(boto3.client("s3"), argv[0], files)
    rows = sum(content.count(b"\n") for content in files.values())
    unchanged = len(files) - len(written)
    sys.stdout.write(f"{rows} rows in {len(files)} objects in {argv[0]}, {len(written)} written, {unchanged} unchanged\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
