"""Where code comes from: ConfigMaps, watched and not, and archives in S3 that must be what git says they are."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.system.stack import SKLEARN, TRAIN, Stack, condition


def _archive(stack: Stack, files: dict[str, str], folder: Path) -> dict[str, Any]:
    """A packed source in S3, as CI puts it there."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    done = stack.command("package", str(folder), "--to", "s3://team-a-ml/sources/")
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = yaml.safe_load(done.stdout)["source"]["s3"]
    return made


@pytest.mark.capability("C1", "E1")
def test_an_edit_of_the_config_map_alone_starts_a_run(stack: Stack) -> None:
    """The labelled ConfigMap is watched; the TrainingRun itself is not touched."""
    stack.run("edited-code")
    before = stack.ended("edited-code")

    def edit() -> None:
        stack.apply(stack.code("edited-code-code", {"train.py": TRAIN + "# edited\n"}))
        stack.until("edited-code", lambda status: status.get("phase") == "Succeeded" and status["specHash"] != before["specHash"])

    assert stack.created_by(edit) == Counter({"sagemaker:CreateTrainingJob": 1})
    assert len(stack.status("edited-code")["history"]) == 2


def test_a_config_map_without_the_label_is_read_once(stack: Stack) -> None:
    """It need not be watched to be used: the run that names it finds it."""
    code = stack.code("unlabelled-code", {"train.py": TRAIN})
    del code["metadata"]["labels"]
    stack.apply(code, stack.manifest("unlabelled"))
    assert stack.ended("unlabelled")["phase"] == "Succeeded"


def test_a_config_map_that_comes_later_is_waited_for(stack: Stack) -> None:
    """Argo CD promises no order: no ConfigMap yet is a reason to wait, said in the condition, and its arrival wakes the run."""
    stack.apply(stack.manifest("late-code"))
    status = stack.until("late-code", lambda status: condition(status, "Reconciling").get("reason") == "SourceMissing")["status"]
    assert "ConfigMap late-code-code" in condition(status, "Ready")["message"]
    stack.apply(stack.code("late-code-code", {"train.py": TRAIN}))
    assert stack.ended("late-code", 30)["phase"] == "Succeeded"


def test_binary_data_of_a_config_map_reaches_the_job(stack: Stack) -> None:
    """A key under binaryData is a file like any other, byte for byte."""
    script = TRAIN + "assert pathlib.Path('table.bin').read_bytes() == bytes(range(256))\n"
    code = stack.code("binary-code", {"train.py": script}) | {"binaryData": {"table.bin": base64.b64encode(bytes(range(256))).decode()}}
    stack.apply(code, stack.manifest("binary"))
    assert stack.ended("binary")["phase"] == "Succeeded"


def test_an_s3_archive_with_folders_runs_when_its_digest_is_right(stack: Stack, tmp_path: Path) -> None:
    """Folders, which a ConfigMap cannot have, work; provenance names the digest of the files."""
    train = {"framework": SKLEARN, "entryPoint": "src/train.py", "channels": ["raw"]}
    files = {"src/train.py": "from helper import value\n" + TRAIN + "assert value == 1\n", "src/helper.py": "value = 1\n"}
    stack.apply(stack.manifest("packed", source={"s3": _archive(stack, files, tmp_path)}, train=train))
    status = stack.ended("packed")
    assert status["phase"] == "Succeeded", status
    assert len(status["provenance"]["sourceDigest"]) == 64


@pytest.mark.capability("E12")
def test_an_s3_archive_with_another_digest_is_refused(stack: Stack, tmp_path: Path) -> None:
    """Not what git says: Stalled with both digests, and no job."""
    source = _archive(stack, {"train.py": TRAIN}, tmp_path)
    stack.apply(stack.manifest("tampered", source={"s3": source | {"sha256": "0" * 64}}))
    status = stack.ended("tampered")
    message = condition(status, "Stalled")["message"]
    assert condition(status, "Stalled")["reason"] == "SourceRefused"
    assert source["sha256"] in message
    assert "0" * 64 in message
    assert stack.accepted("tampered", "CreateTrainingJob") == 0
