"""Splits raw CSV data into train, validation and test, and scales the features to 0..1 with statistics of train alone.

An AWS Glue Python shell job (`prepare.glue` of a TrainingRun), which runs by hand as well:

    python jobs/etl/normalise.py --raw raw/ --output-train out/train --output-validation out/validation --output-test out/test

Rows are `label,feature,...` without a header. statistics.json is what maps a raw row to what the model sees: the training script
puts it into the model, so that serving scales requests in the same way. jobs/README.md has the contract. Glue's Python is 3.9.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

S3_SCHEME = "s3://"
SPLITS = ("train", "validation", "test")
MISSING = frozenset({"", "na", "nan", "null"})


def main(argv: list[str] | None = None) -> dict[str, int]:
    """The row counts. ValueError, with the object and the row, for data that cannot be used."""
    options = arguments(argv)
    rows = read_rows(options.raw)
    parts = split(rows[:, 0], options.test_fraction, options.validation_fraction, options.seed)
    statistics = fit(rows[parts["train"], 1:])
    for name, indexes in parts.items():
        scaled = normalise(rows[indexes, 1:], statistics)
        write_text(getattr(options, f"output_{name}"), f"{name}.csv", to_csv(rows[indexes, 0], scaled))
    counts = {"raw": len(rows)} | {name: len(indexes) for name, indexes in parts.items()}
    write_text(options.output_train, "statistics.json", to_json(statistics))
    write_text(options.output_train, "row_counts.json", to_json(counts))
    print(" ".join(f"rows_{name}={count};" for name, count in counts.items()))
    return counts


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Glue and the operator add arguments of their own (--JOB_NAME and others): what is not ours is ignored."""
    parser = argparse.ArgumentParser(description="Split and normalise CSV data.", allow_abbrev=False)
    parser.add_argument("--raw", required=True, help="s3://bucket/prefix/, s3://bucket/object, folder or file")
    for name in SPLITS:
        parser.add_argument(f"--output-{name}", required=True, help="s3://bucket/prefix/ or folder")
    parser.add_argument("--test-fraction", type=float, default=0.2, help="share of all rows, per class")
    parser.add_argument("--validation-fraction", type=float, default=0.2, help="share of all rows, per class")
    parser.add_argument("--seed", type=int, default=7)
    options, _ = parser.parse_known_args(argv)
    for name in ("test_fraction", "validation_fraction"):
        if not 0 < getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be between 0 and 1, not {getattr(options, name)}")
    if options.test_fraction + options.validation_fraction >= 1:
        parser.error("--test-fraction and --validation-fraction leave nothing to train on: their sum must be below 1")
    return options


def read_rows(raw: str) -> np.ndarray[Any, Any]:
    """All rows of all objects, in the order of their names; a missing feature is NaN."""
    rows: list[list[float]] = []
    columns = 0
    for name, text in read_objects(raw):
        found = parse_object(name, text, columns)
        columns = len(found[0])
        rows += found
    return np.array(rows, dtype=np.float64)


def parse_object(name: str, text: str, columns: int) -> list[list[float]]:
    """The rows of one object, all with `columns` values (0: as many as its first row)."""
    rows: list[list[float]] = []
    reader = csv.reader(io.StringIO(text))
    for cells in reader:
        if not cells:
            continue
        where = f"{name}, row {reader.line_num}"
        columns = columns or len(cells)
        if columns < 2:
            raise ValueError(f"{where}: needs a label and at least one feature, separated by commas")
        if len(cells) != columns:
            raise ValueError(f"{where}: has {len(cells)} values, the rows before it have {columns}")
        rows.append([number(cell, index, where) for index, cell in enumerate(cells)])
    if not rows:
        raise ValueError(f"{name}: is empty; it needs rows of label,feature,...")
    return rows


def number(cell: str, index: int, where: str) -> float:
    """NaN for a missing feature; a missing label is an error, and so is anything that is not a finite number."""
    text = cell.strip()
    if text.lower() in MISSING:
        if index == 0:
            raise ValueError(f"{where}: the label (first value) is missing")
        return math.nan
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{where}: value {index + 1} is not a number: {text[:40]!r}") from None
    if not math.isfinite(value):
        raise ValueError(f"{where}: value {index + 1} is not finite: {text[:40]!r}")
    return value


def split(labels: np.ndarray[Any, Any], test_fraction: float, validation_fraction: float, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Row indexes of each split: the same share of every class, at least one row of every class in train."""
    generator = np.random.RandomState(seed)
    chosen: dict[str, list[int]] = {name: [] for name in SPLITS}
    for label in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == label))
        test = min(int(len(members) * test_fraction + 0.5), len(members) - 1)
        validation = min(int(len(members) * validation_fraction + 0.5), len(members) - 1 - test)
        chosen["test"] += members[:test].tolist()
        chosen["validation"] += members[test : test + validation].tolist()
        chosen["train"] += members[test + validation :].tolist()
    for name, indexes in chosen.items():
        if not indexes:
            raise ValueError(f"{len(labels)} rows are too few: nothing is left for {name}; give more rows or a larger fraction")
    return {name: np.array(sorted(indexes)) for name, indexes in chosen.items()}


def fit(train: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Minimum, maximum and mean of each feature of the training rows. Names are those of Model Monitor for CSV: _c0, _c1, ..."""
    empty = np.flatnonzero(np.isnan(train).all(axis=0))
    if empty.size:
        raise ValueError(f"value {empty[0] + 2} is missing in every row of train: drop the column")
    low, high, mean = np.nanmin(train, axis=0), np.nanmax(train, axis=0), np.nanmean(train, axis=0)
    features = [
        {"name": f"_c{index}", "min": float(low[index]), "max": float(high[index]), "mean": float(mean[index])}
        for index in range(train.shape[1])
    ]
    return {"version": 1, "method": "min-max", "row_count": len(train), "features": features}


def normalise(rows: np.ndarray[Any, Any], statistics: dict[str, Any]) -> np.ndarray[Any, Any]:
    """(value - min) / (max - min) with the mean for missing values; a feature that is constant in train is only shifted."""
    low, high, mean = (np.array([item[key] for item in statistics["features"]]) for key in ("min", "max", "mean"))
    width = np.where(high > low, high - low, 1.0)
    scaled: np.ndarray[Any, Any] = (np.where(np.isnan(rows), mean, rows) - low) / width
    return scaled


def to_csv(labels: np.ndarray[Any, Any], features: np.ndarray[Any, Any]) -> str:
    """Numbers in their shortest form that reads back to the same value."""
    lines = (",".join(shortest(value) for value in (label, *row)) for label, row in zip(labels, features))  # noqa: B905
    return "\n".join(lines) + "\n"


def shortest(value: float) -> str:
    """5 rather than 5.0: a label stays the integer that it was."""
    return repr(int(value)) if float(value).is_integer() else repr(float(value))


def to_json(document: dict[str, Any]) -> str:
    """Same document, same bytes: what has not changed is not a new version in S3."""
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def read_objects(raw: str) -> list[tuple[str, str]]:
    """(name, text) of each CSV object below `raw`, or of the one object that it names."""
    found = s3_objects(raw) if raw.startswith(S3_SCHEME) else local_files(raw)
    if not found:
        raise ValueError(f"{raw}: holds no .csv object")
    return found


def s3_objects(uri: str) -> list[tuple[str, str]]:
    """With a / at the end (or no key at all) everything in the folder that ends in .csv, else exactly that object."""
    bucket, key = s3_parts(uri)
    client = s3_client()
    keys = [key]
    if not key or key.endswith("/"):
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        keys = sorted(item["Key"] for page in pages for item in page.get("Contents", []) if item["Key"].endswith(".csv"))
    return [(name, decode(get(client, bucket, item), name)) for item in keys for name in [f"{S3_SCHEME}{bucket}/{item}"]]


def get(client: Any, bucket: str, key: str) -> bytes:
    try:
        content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except client.exceptions.NoSuchKey:
        raise ValueError(f"{S3_SCHEME}{bucket}/{key}: there is no such object; the name of a folder ends in /") from None
    return content


def local_files(raw: str) -> list[tuple[str, str]]:
    path = Path(raw)
    if not path.exists():
        raise ValueError(f"{raw}: does not exist")
    paths = sorted(path.rglob("*.csv")) if path.is_dir() else [path]
    return [(str(item), decode(item.read_bytes(), str(item))) for item in paths]


def decode(content: bytes, name: str) -> str:
    """UTF-8, with or without a byte order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: is not UTF-8 text (byte {error.start})") from None


def write_text(output: str, name: str, text: str) -> None:
    """Writes `name` into the S3 prefix or folder `output`."""
    if output.startswith(S3_SCHEME):
        bucket, prefix = s3_parts(output)
        key = f"{prefix.rstrip('/')}/{name}".lstrip("/")
        s3_client().put_object(Bucket=bucket, Key=key, Body=text.encode())
        return
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def s3_parts(uri: str) -> tuple[str, str]:
    bucket, _, key = uri[len(S3_SCHEME) :].partition("/")
    if not bucket:
        raise ValueError(f"{uri}: is not an S3 URI; write s3://bucket/prefix/")
    return bucket, key


def s3_client() -> Any:
    """boto3 is needed for S3 alone; it takes region, role and AWS_ENDPOINT_URL from the environment."""
    import boto3

    return boto3.client("s3")


if __name__ == "__main__":
    main(sys.argv[1:])
