"""`package`: the same files make the same archive, which is one that the operator takes; what it would refuse is refused here."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.api.training_run import S3Source
from sagemaker_gitops.aws import storage
from sagemaker_gitops.cli import package
from sagemaker_gitops.cli.main import main
from sagemaker_gitops.core.errors import AwsFailure, Category


class Bucket:
    """What the command calls of aws.clients.Clients, over objects in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts = 0

    async def base_call(self, region: str, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        uri = f"s3://{parameters['Bucket']}/{parameters['Key']}"
        if operation == "HeadObject":
            if uri not in self.objects:
                raise AwsFailure(Category.NOT_FOUND, service=service, operation=operation, code="404", message="Not Found")
            return {}
        assert operation == "PutObject"
        self.objects[uri] = parameters["Body"]
        self.puts += 1
        return {}

    def close(self) -> None:
        return None


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    class Region:
        aws_region = "eu-central-1"

    made = Bucket()
    monkeypatch.setattr(package, "clients", lambda install: (made, Region()))
    return made


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    for name, text in {"train.py": "print()", "lib/model.py": "x = 1", ".git/config": "secret", "__pycache__/train.pyc": "x"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_what_is_printed_is_a_source_that_the_operator_takes(bucket: Bucket, code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hidden files and caches stay at home; folders come along."""
    assert main(["package", str(code), "--to", "s3://team-a-ml/sources"]) == 0
    spec = S3Source.model_validate(yaml.safe_load(capsys.readouterr().out)["source"]["s3"])
    assert spec.uri.startswith("s3://team-a-ml/sources/")
    archive = bucket.objects[spec.uri]
    assert hashlib.sha256(archive).hexdigest() == spec.sha256
    assert storage.unpack(archive) == {"train.py": b"print()", "lib/model.py": b"x = 1"}


def test_the_same_files_are_uploaded_once(bucket: Bucket, code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Times and modes of the files do not count."""
    main(["package", str(code), "--to", "s3://team-a-ml/sources/"])
    os.utime(code / "train.py", (1, 1))
    (code / "train.py").chmod(0o755)
    main(["package", str(code), "--to", "s3://team-a-ml/sources/"])
    first, second = capsys.readouterr().out.split("source:")[1:]
    assert first == second
    assert bucket.puts == 1


def test_nothing_is_uploaded_unless_asked_for(bucket: Bucket, code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", str(code)]) == 0
    assert "sha256: " in capsys.readouterr().out
    assert bucket.objects == {}


def test_what_the_operator_would_refuse_is_refused(
    bucket: Bucket, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with the reason, exit code 2, and nothing uploaded."""

    def refused(folder: Path, words: str, to: str = "s3://team-a-ml/sources/") -> None:
        assert main(["package", str(folder), "--to", to]) == 2
        assert words in capsys.readouterr().err

    empty = tmp_path / "empty"
    empty.mkdir()
    refused(empty, "holds no file")
    refused(tmp_path / "absent", "is no folder")
    refused(code, "is not an S3 URI", "team-a-ml/sources")
    monkeypatch.setattr(storage, "UNPACKED_LIMIT", 3)
    refused(code, "data belongs into `inputs`")
    (code / "link.py").symlink_to("/etc/passwd")
    refused(code, "is no regular file")
    assert bucket.objects == {}
