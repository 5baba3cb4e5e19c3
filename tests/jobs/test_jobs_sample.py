"""The digits sample: manifests that build and parse, data that uploads once, and the three scripts one after the other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import boto3
import pytest
import yaml
from moto import mock_aws

from local_cluster.release import cache_dir, pinned_release
from sagemaker_gitops.api.parse import parse
from sagemaker_gitops.api.tenant import TenantSpec, matches
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.core.images import image_uri, images_table
from sagemaker_gitops.core.kinds.training_run.evaluation import flatten

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "manifests/samples"
SCRIPTS = {"normalise.py": "jobs/etl/normalise.py", "train.py": "jobs/training/train.py", "evaluate.py": "jobs/evaluation/evaluate.py"}


def document(path: str) -> dict[str, Any]:
    """One manifest of the samples, as it is written."""
    return cast("dict[str, Any]", yaml.safe_load((SAMPLES / path).read_text()))


@pytest.fixture(scope="module")
def sample() -> TrainingRunSpec:
    """The spec of the digits run."""
    return cast("TrainingRunSpec", parse("TrainingRun", document("digits/training-run.yaml")["spec"]))


@pytest.fixture(scope="module")
def tenant() -> TenantSpec:
    """The spec of the sample's Tenant."""
    return cast("TenantSpec", parse("Tenant", document("tenant/tenant.yaml")["spec"]))


def script(name: str, *arguments: str, **environment: str) -> str:
    """What a script of the sample prints, run as a job runs it: a process of its own."""
    command = [sys.executable, str(ROOT / SCRIPTS[name]), *arguments]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.capability("B6", "B7", "C13")
def test_the_scripts_reach_the_gate_one_after_the_other(digits: Path, sample: TrainingRunSpec, tmp_path: Path) -> None:
    """With the sample's own hyperparameters and arguments, on the whole digits data, without AWS."""
    glue = sample.prepare.glue if sample.prepare else None
    assert glue is not None
    outputs = [f"--output-{name}={tmp_path}/{name}" for name in glue.outputs]
    given = [word for pair in glue.arguments.items() for word in pair]
    assert "rows_raw=1797;" in script("normalise.py", "--raw", str(digits), *outputs, *given)
    channels = {f"SM_CHANNEL_{name.upper()}": f"{tmp_path}/{name}" for name in sample.train.channels}
    hyperparameters = [word for name, value in sample.train.hyperparameters.items() for word in (f"--{name}", str(value))]
    assert "validation_accuracy=0.9" in script("train.py", *hyperparameters, SM_MODEL_DIR=f"{tmp_path}/model", **channels)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "model", arcname=".")
    script("evaluate.py", "--model", f"{tmp_path}/model.tar.gz", "--test", f"{tmp_path}/test", "--output", f"{tmp_path}/evaluation")
    metrics = flatten(json.loads((tmp_path / "evaluation/evaluation.json").read_text()))
    assert metrics["accuracy"] >= 0.96
    assert [gate.value for gate in sample.gates if gate.value is not None] == [0.95]


def test_upload_writes_each_object_once(uploader: ModuleType) -> None:
    """A second upload makes no new object version, so no new run; a changed object is written again."""
    with mock_aws():
        client = boto3.client("s3", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
        client.create_bucket(Bucket="team-a-ml", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        files = uploader.documents()
        first, second = (uploader.upload(client, "s3://team-a-ml/raw/digits/", files) for _ in range(2))
        client.put_object(Bucket="team-a-ml", Key=first[0], Body=b"other")
        third = uploader.upload(client, "s3://team-a-ml/raw/digits/", files)
    assert first == [f"raw/digits/digits-{part}.csv" for part in range(4)]
    assert second == []
    assert third == first[:1]


def test_upload_refuses_what_is_no_folder(uploader: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Usage and exit code 2, before any call."""
    assert uploader.main(["s3://team-a-ml/raw/digits"]) == 2
    assert "usage:" in capsys.readouterr().err


def test_the_tenant_allows_what_the_sample_uses(sample: TrainingRunSpec, tenant: TenantSpec) -> None:
    """Inputs, framework image and instance types: the two samples fit each other."""
    framework, types = sample.train.framework, tenant.defaults.instance_types
    assert framework is not None
    assert types is not None
    assert types.training is not None
    image = image_uri(images_table(), "framework", framework.name, framework.version, tenant.region, types.training)
    assert matches(tenant.allow.images, image)
    assert matches(tenant.allow.instance_types, types.training)
    assert all(item.s3_uri.startswith(tuple(tenant.allow.s3_prefixes)) for item in sample.inputs)


def test_the_code_is_listed_where_kustomize_may_read_it() -> None:
    """jobs/kustomization.yaml lists each script that the run names, once, and nothing else."""
    generator = yaml.safe_load((ROOT / "jobs/kustomization.yaml").read_text())["configMapGenerator"][0]
    assert sorted(f"jobs/{file}" for file in generator["files"]) == sorted(SCRIPTS.values())


@pytest.fixture(scope="module")
def built() -> list[dict[str, Any]]:
    """What kustomize makes of the digits sample, without any flag."""
    kubectl = shutil.which("kubectl") or str(cache_dir(pinned_release()) / "kubectl")
    if not os.access(kubectl, os.X_OK):
        pytest.skip("no kubectl on PATH, and the sandbox has built none yet")
    done = subprocess.run([kubectl, "kustomize", str(SAMPLES / "digits")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_kustomize_makes_one_labelled_config_map_with_the_scripts(built: list[dict[str, Any]]) -> None:
    """With the label that the operator watches, in the run's namespace, byte for byte."""
    (code,) = (item for item in built if item["kind"] == "ConfigMap")
    assert code["metadata"]["labels"] == {"sagemaker-gitops.dev/source": "true"}
    assert code["metadata"]["namespace"] == "team-a"
    assert code["data"] == {name: (ROOT / path).read_text() for name, path in SCRIPTS.items()}


def test_kustomize_points_the_run_at_the_generated_config_map(built: list[dict[str, Any]]) -> None:
    """The component rewrites the reference, and what comes out is a valid TrainingRun."""
    (code,) = (item for item in built if item["kind"] == "ConfigMap")
    (run,) = (item for item in built if item["kind"] == "TrainingRun")
    spec = cast("TrainingRunSpec", parse("TrainingRun", run["spec"]))
    assert spec.source is not None
    assert spec.source.config_map_ref is not None
    assert code["metadata"]["name"].startswith("digits-code-")
    assert spec.source.config_map_ref.name == code["metadata"]["name"]
    assert run["metadata"] == {"name": "digits", "namespace": "team-a"}
