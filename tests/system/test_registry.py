"""Gates and the registry: what a package carries, who is the champion, and what approval means."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.system.stack import EVALUATE, SKLEARN, TRAIN, Stack, condition

EVALUATED = {"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["raw"]}}
FIXED = [{"metric": "accuracy", "operator": ">=", "value": 0.5}]


def _files(accuracy: float) -> dict[str, str]:
    return {"train.py": TRAIN, "evaluate.py": EVALUATE.replace("0.9", str(accuracy))}


def _packages(stack: Stack, group: str) -> list[dict[str, Any]]:
    """Every version of a group, oldest first, described."""
    sagemaker = stack.client("sagemaker")
    found = sagemaker.list_model_packages(ModelPackageGroupName=group, SortOrder="Ascending")["ModelPackageSummaryList"]
    return [sagemaker.describe_model_package(ModelPackageName=item["ModelPackageArn"]) for item in found]


@pytest.mark.capability("B13", "H1", "H2")
@pytest.mark.parametrize(("approval", "status"), [("Auto", "Approved"), ("Manual", "PendingManualApproval")])
def test_a_package_tells_where_its_model_came_from(stack: Stack, approval: str, status: str) -> None:
    """Artifact, metrics, statistics, git revision, input versions and the jobs that made it."""
    name = f"package-{approval.lower()}"
    manifest = stack.manifest(name, evaluate=EVALUATED, gates=FIXED, register={"group": name, "approval": approval})
    revision = "4f2c9e1" + "0" * 33
    manifest["metadata"]["annotations"] = {
        "sagemaker-gitops.dev/git-revision": revision,
        "sagemaker-gitops.dev/git-repository": "https://git.example.com/team-a/ml.git",
    }
    stack.apply(stack.code(f"{name}-code", _files(0.9)), manifest)
    said = stack.ended(name)
    assert (said["phase"], said["model"]) == ("Succeeded", f"{name}/1")
    (package,) = _packages(stack, name)
    assert package["ModelApprovalStatus"] == status
    job = stack.describe_job(name)
    (container,) = package["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"] == job["ModelArtifacts"]["S3ModelArtifacts"]
    assert package["MetadataProperties"]["CommitId"] == revision
    metadata = package["CustomerMetadataProperties"]
    assert metadata["metric/accuracy"] == "0.9"
    assert metadata["step/train"] == job["TrainingJobName"]
    assert metadata["input/raw"] == said["provenance"]["inputs"][0]["digest"]
    statistics = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    bucket, _, key = statistics.removeprefix("s3://").partition("/")
    assert b'"accuracy": 0.9' in stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.mark.capability("C14")
def test_a_new_model_must_beat_the_approved_one(stack: Stack) -> None:
    """The champion is the newest approved version; worse is rejected, better registered, and the old one stays."""
    gates = [{"metric": "accuracy", "champion": {"minDelta": 0.01, "goal": "Maximize"}}]
    shared = {"uri": stack.data(), "evaluate": EVALUATED, "gates": gates, "register": {"group": "champions", "approval": "Auto"}}

    def judged(accuracy: float) -> dict[str, Any]:
        before = stack.status("champion").get("specHash") if accuracy != 0.8 else None
        stack.run("champion", files=_files(accuracy), **shared)
        ended = ("Succeeded", "GateRejected")
        return dict(stack.until("champion", lambda status: status.get("phase") in ended and status["specHash"] != before)["status"])

    assert judged(0.8)["phase"] == "Succeeded"
    worse = judged(0.7)
    assert (worse["phase"], worse["gate"], worse["champion"]) == ("GateRejected", "Rejected", "0.8")
    assert "is not better than champion champions/1 (0.8)" in condition(worse, "GatePassed")["message"]
    better = judged(0.9)
    assert (better["phase"], better["champion"], better["model"]) == ("Succeeded", "0.8", "champions/2")
    assert [package["ModelPackageVersion"] for package in _packages(stack, "champions")] == [1, 2]


def test_a_rejected_version_is_no_champion(stack: Stack) -> None:
    """Approval is the registry's word: a version that somebody rejected sets no bar."""
    register = {"group": "dethroned", "approval": "Auto"}
    uri = stack.data()
    stack.run("dethroned", files=_files(0.95), uri=uri, evaluate=EVALUATED, gates=FIXED, register=register)
    stack.ended("dethroned")
    (package,) = _packages(stack, "dethroned")
    stack.client("sagemaker").update_model_package(ModelPackageArn=package["ModelPackageArn"], ModelApprovalStatus="Rejected")
    gates = [{"metric": "accuracy", "champion": {"goal": "Maximize"}}]
    stack.run("challenger", files=_files(0.6), uri=uri, evaluate=EVALUATED, gates=gates, register=register)
    status = stack.ended("challenger")
    assert status["phase"] == "Succeeded"
    assert "no approved version to compare with" in condition(status, "GatePassed")["message"]


def test_a_changed_gate_judges_again_and_registers_nothing_twice(stack: Stack) -> None:
    """A gate costs nothing: no job runs, and the package that is there is the one."""
    shared = {"uri": stack.data(), "evaluate": EVALUATED, "register": {"group": "gates"}}
    stack.run("gates", files=_files(0.9), gates=FIXED, **shared)
    before = stack.ended("gates")

    def changed() -> None:
        stack.run("gates", files=_files(0.9), gates=[FIXED[0] | {"value": 0.6}], **shared)
        stack.until("gates", lambda status: status.get("phase") == "Succeeded" and status["specHash"] != before["specHash"])

    assert stack.created_by(changed) == Counter()
    assert len(_packages(stack, "gates")) == 1


def test_an_evaluation_that_is_no_json_fails_the_gate(stack: Stack) -> None:
    """The reason names the document."""
    files = {"train.py": TRAIN, "evaluate.py": EVALUATE.replace('json.dumps({"accuracy": 0.9})', '"no json"')}
    stack.run("no-json", files=files, evaluate=EVALUATED, gates=FIXED)
    status = stack.ended("no-json")
    assert status["phase"] == "GateRejected"
    assert "evaluation.json is not JSON" in condition(status, "GatePassed")["message"]
