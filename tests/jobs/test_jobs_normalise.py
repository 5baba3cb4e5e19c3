"""jobs/etl/normalise.py on its own: split, scaling, missing values, errors, S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import numpy as np
import pytest
from moto import mock_aws

ROWS = [f"{index % 2},{index},{100 - index},7" for index in range(40)]


def outputs(folder: Path | str) -> list[str]:
    return [f"--output-{name}={folder}/{name}" for name in ("train", "validation", "test")]


def write(path: Path, rows: list[str]) -> str:
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def read(folder: Path, name: str) -> np.ndarray[Any, Any]:
    return np.loadtxt(folder / name / f"{name}.csv", delimiter=",", ndmin=2)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an S3 in this process that has the bucket team-a-ml."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="team-a-ml", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


@pytest.mark.capability("B7")
def test_every_row_goes_to_exactly_one_split(normalise: ModuleType, tmp_path: Path) -> None:
    """Nothing is lost, nothing is in two splits."""
    normalise.main(["--raw", write(tmp_path / "raw.csv", ROWS), *outputs(tmp_path)])
    statistics = json.loads((tmp_path / "train/statistics.json").read_text())["features"][0]
    scaled = np.concatenate([read(tmp_path, name)[:, 1] for name in ("train", "validation", "test")])
    raw = scaled * (statistics["max"] - statistics["min"]) + statistics["min"]
    assert sorted(np.round(raw)) == list(range(40))


@pytest.mark.capability("B7")
def test_row_counts_are_written_and_printed(normalise: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The counts of raw data and of each split."""
    arguments = ["--raw", write(tmp_path / "raw.csv", ROWS), "--test-fraction", "0.1", *outputs(tmp_path)]
    counts = normalise.main(arguments)
    assert counts == {"raw": 40, "train": 28, "validation": 8, "test": 4}
    assert json.loads((tmp_path / "train/row_counts.json").read_text()) == counts
    assert "rows_raw=40; rows_train=28; rows_validation=8; rows_test=4;" in capsys.readouterr().out


@pytest.mark.capability("B7")
def test_the_split_keeps_the_share_of_every_class(normalise: ModuleType, tmp_path: Path) -> None:
    """A rare class is in every split."""
    rows = [f"{0 if index < 50 else 1},{index}" for index in range(60)]
    normalise.main(["--raw", write(tmp_path / "raw.csv", rows), *outputs(tmp_path)])
    counted = {name: np.unique(read(tmp_path, name)[:, 0], return_counts=True)[1].tolist() for name in ("train", "validation", "test")}
    assert counted == {"train": [30, 6], "validation": [10, 2], "test": [10, 2]}


@pytest.mark.capability("B7")
def test_the_same_seed_writes_the_same_bytes(normalise: ModuleType, tmp_path: Path) -> None:
    """Two runs on the same data cannot differ, another seed does."""
    raw = write(tmp_path / "raw.csv", ROWS)
    for name, seed in (("first", "1"), ("second", "1"), ("other", "2")):
        normalise.main(["--raw", raw, "--seed", seed, *outputs(tmp_path / name)])
    first, second, other = ((tmp_path / name / "test/test.csv").read_bytes() for name in ("first", "second", "other"))
    assert first == second
    assert first != other


@pytest.mark.capability("B6")
def test_statistics_come_from_train_alone(normalise: ModuleType, tmp_path: Path) -> None:
    """An outlier in validation or test is outside 0..1; it does not move the scale."""
    normalise.main(["--raw", write(tmp_path / "raw.csv", ROWS), *outputs(tmp_path / "plain")])
    plain = json.loads((tmp_path / "plain/train/statistics.json").read_text())["features"]
    known = read(tmp_path / "plain", "test")[0, 1] * (plain[0]["max"] - plain[0]["min"]) + plain[0]["min"]
    index = round(float(known))
    rows = [*ROWS[:index], f"{index % 2},9999,{100 - index},7", *ROWS[index + 1 :]]
    normalise.main(["--raw", write(tmp_path / "outlier.csv", rows), *outputs(tmp_path / "outlier")])
    assert json.loads((tmp_path / "outlier/train/statistics.json").read_text())["features"] == plain
    assert read(tmp_path / "outlier", "test")[:, 1].max() > 100


@pytest.mark.capability("B6")
def test_train_is_scaled_to_zero_and_one(normalise: ModuleType, tmp_path: Path) -> None:
    """Minimum 0 and maximum 1 for each feature that varies; a constant one becomes 0; labels are untouched."""
    normalise.main(["--raw", write(tmp_path / "raw.csv", ROWS), *outputs(tmp_path)])
    train = read(tmp_path, "train")
    assert train[:, 1:].min(axis=0).tolist() == [0, 0, 0]
    assert train[:, 1:].max(axis=0).tolist() == [1, 1, 0]
    assert set(train[:, 0]) == {0, 1}


@pytest.mark.parametrize("missing", ["", "NaN", "null"])
def test_a_missing_value_becomes_the_mean_of_train(normalise: ModuleType, tmp_path: Path, missing: str) -> None:
    """Also where the row is in train itself."""
    rows = [*(f"0,{index},1" for index in range(20)), *(f"1,{missing},1" for _ in range(20))]
    normalise.main(["--raw", write(tmp_path / "raw.csv", rows), *outputs(tmp_path)])
    statistics = json.loads((tmp_path / "train/statistics.json").read_text())["features"][0]
    train = read(tmp_path, "train")
    known = train[train[:, 0] == 0, 1]
    assert train[train[:, 0] == 1, 1] == pytest.approx(known.mean())
    assert statistics["mean"] == pytest.approx(known.mean() * (statistics["max"] - statistics["min"]) + statistics["min"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "b.csv: is empty"),
        ("\n\n", "b.csv: is empty"),
        ("1,2,3,4\n1,2\n", "b.csv, row 2: has 2 values, the rows before it have 4"),
        ("1,2\n", "b.csv, row 1: has 2 values, the rows before it have 4"),
        ("1,2,3,4\n1,2,many,4\n", "b.csv, row 2: value 3 is not a number: 'many'"),
        ("1,2,3,4\n1,2,inf,4\n", "b.csv, row 2: value 3 is not finite: 'inf'"),
        ("1,2,3,4\n,2,3,4\n", "b.csv, row 2: the label (first value) is missing"),
    ],
)
def test_an_error_names_the_object_and_the_row(normalise: ModuleType, tmp_path: Path, content: str, message: str) -> None:
    """Whoever reads it knows which line to look at."""
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw / "a.csv", ROWS)
    (raw / "b.csv").write_text(content)
    with pytest.raises(ValueError) as raised:
        normalise.main(["--raw", str(raw), *outputs(tmp_path)])
    assert message in str(raised.value)


def test_a_row_without_features_is_an_error(normalise: ModuleType, tmp_path: Path) -> None:
    """A label alone is nothing to learn from."""
    with pytest.raises(ValueError, match=r"raw\.csv, row 1: needs a label and at least one feature"):
        normalise.main(["--raw", write(tmp_path / "raw.csv", ["1", "2"]), *outputs(tmp_path)])


def test_a_column_that_is_always_missing_is_an_error(normalise: ModuleType, tmp_path: Path) -> None:
    """There is no mean to put in its place."""
    with pytest.raises(ValueError, match="value 3 is missing in every row of train"):
        normalise.main(["--raw", write(tmp_path / "raw.csv", [f"0,{index}," for index in range(20)]), *outputs(tmp_path)])


def test_too_few_rows_are_an_error(normalise: ModuleType, tmp_path: Path) -> None:
    """An empty test set is never written."""
    with pytest.raises(ValueError, match="2 rows are too few: nothing is left for validation"):
        normalise.main(["--raw", write(tmp_path / "raw.csv", ROWS[:2]), *outputs(tmp_path)])


def test_an_empty_folder_is_an_error(normalise: ModuleType, tmp_path: Path) -> None:
    """The folder is named."""
    with pytest.raises(ValueError, match=r"holds no \.csv object"):
        normalise.main(["--raw", str(tmp_path), *outputs(tmp_path)])


@pytest.mark.parametrize("fractions", [["--test-fraction=0"], ["--test-fraction=1"], ["--test-fraction=0.6", "--validation-fraction=0.4"]])
def test_fractions_that_leave_no_data_are_refused(
    normalise: ModuleType, tmp_path: Path, fractions: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the argument."""
    with pytest.raises(SystemExit):
        normalise.main(["--raw", write(tmp_path / "raw.csv", ROWS), *fractions, *outputs(tmp_path)])
    assert "--test-fraction" in capsys.readouterr().err


def test_arguments_of_glue_and_the_operator_are_ignored(normalise: ModuleType, tmp_path: Path) -> None:
    """--JOB_NAME, the run token and the like are not ours."""
    others = ["--JOB_NAME", "job", "--sagemaker-gitops-run-token", "abc", "--extra-py-files", "s3://team-a-ml/x.py"]
    assert normalise.main([*others, "--raw", write(tmp_path / "raw.csv", ROWS), *outputs(tmp_path)])["raw"] == 40


@pytest.mark.capability("B2", "B7")
def test_s3_folders_are_read_and_written(normalise: ModuleType, bucket: Any) -> None:
    """All CSV objects of the folder, none of its neighbour's; the results beside each other."""
    bucket.put_object(Bucket="team-a-ml", Key="raw/digits/a.csv", Body="\n".join(ROWS[:20]).encode())
    bucket.put_object(Bucket="team-a-ml", Key="raw/digits/b.csv", Body="\n".join(ROWS[20:]).encode())
    bucket.put_object(Bucket="team-a-ml", Key="raw/digits/_SUCCESS", Body=b"")
    bucket.put_object(Bucket="team-a-ml", Key="raw/digits-old/a.csv", Body=b"no number")
    targets = [f"--output-{name}=s3://team-a-ml/out/{name}/" for name in ("train", "validation", "test")]
    assert normalise.main(["--raw", "s3://team-a-ml/raw/digits/", *targets])["raw"] == 40
    keys = [item["Key"] for item in bucket.list_objects_v2(Bucket="team-a-ml", Prefix="out/")["Contents"]]
    assert keys == [
        "out/test/test.csv",
        "out/train/row_counts.json",
        "out/train/statistics.json",
        "out/train/train.csv",
        "out/validation/validation.csv",
    ]


@pytest.mark.capability("B2")
def test_one_s3_object_can_be_the_raw_data(normalise: ModuleType, bucket: Any, tmp_path: Path) -> None:
    """Without / at the end it is one object, and its name appears in errors."""
    bucket.put_object(Bucket="team-a-ml", Key="raw/a.csv", Body=b"1,2\n1,x\n")
    with pytest.raises(ValueError, match=r"s3://team-a-ml/raw/a\.csv, row 2: value 2 is not a number"):
        normalise.main(["--raw", "s3://team-a-ml/raw/a.csv", *outputs(tmp_path)])


def test_an_s3_object_that_does_not_exist_is_named(normalise: ModuleType, bucket: Any, tmp_path: Path) -> None:
    """A forgotten / is the usual cause, and the message says so."""
    with pytest.raises(ValueError, match="s3://team-a-ml/raw: there is no such object; the name of a folder ends in /"):
        normalise.main(["--raw", "s3://team-a-ml/raw", *outputs(tmp_path)])
