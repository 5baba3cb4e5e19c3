"""Puts the series of the fees sample where it is read: 309 yearly values, the sunspots that statsmodels ships.

    python manifests/samples/fees/upload.py s3://team-a-ml/raw/fees/            # the series
    python manifests/samples/fees/upload.py s3://team-a-ml/raw/fees/ --slower   # and what came later: its last 150 values at half the pace

The second is the drift of the demo: a process whose rhythm has changed. The bucket must exist. AWS_ENDPOINT_URL and the other AWS
variables are honoured. Content that is there already is left alone: a new version of it would be new data.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import boto3
import numpy as np
from botocore.exceptions import ClientError
from statsmodels.datasets import sunspots

START, SLOWED = "1700-01-01 00:00:00", 150


def document(*, slower: bool) -> bytes:
    """One line of DeepAR's JSON; the same bytes on every machine."""
    values = sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(dtype=float)
    if slower:
        steps = np.linspace(0, SLOWED - 1, 2 * SLOWED)
        values = np.concatenate([values, np.interp(steps, np.arange(SLOWED), values[-SLOWED:])])
    return (json.dumps({"start": START, "target": values.round(3).tolist()}) + "\n").encode()


def upload(client: Any, uri: str, content: bytes) -> bool:
    """Whether it was written. ClientError, such as NoSuchBucket, from AWS."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    key = f"{prefix}series.jsonl"
    try:
        if client.get_object(Bucket=bucket, Key=key)["Body"].read() == content:
            return False
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
    client.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/jsonlines")
    return True


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Upload the series of the fees sample.", allow_abbrev=False)
    parser.add_argument("uri", help="s3://bucket/prefix/")
    parser.add_argument("--slower", action="store_true", help="with the values that came later, at half the pace")
    options = parser.parse_args(argv)
    if not options.uri.startswith("s3://") or not options.uri.endswith("/"):
        parser.error("the first argument must be s3://bucket/prefix/")
    written = upload(boto3.client("s3"), options.uri, document(slower=options.slower))
    sys.stdout.write(f"{options.uri}series.jsonl {'written' if written else 'unchanged'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
