"""The `sagemaker` package, unmodified, against the local AWS: its own role validation, training and registration.

Only the endpoint URL differs from a real account. The bucket is given, because the package asks for a default one at an
address of its own (sts.<region>.amazonaws.com), whatever endpoint is set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from target import Target

IMAGE = "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
GROUP = "sagemaker-client"
SCRIPT = "import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'model.txt').write_text('weights')\nprint('accuracy=0.9')\n"


@pytest.fixture
def session(target: Target, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session of the package that talks to the local AWS."""
    if target.admin is None:
        pytest.skip("runs against the local AWS: on an account it would train for real")
    monkeypatch.setenv("AWS_ENDPOINT_URL", target.admin.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "LOCALADMIN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", target.region)
    monkeypatch.setenv("SAGEMAKER_TELEMETRY_OPT_OUT", "1")
    from sagemaker.core.helper.session_helper import Session

    return Session(boto_session=boto3.session.Session(region_name=target.region), default_bucket=target.bucket)


def _trained(target: Target, session: Any, folder: Path, role: str) -> Any:
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import Compute, SourceCode

    (folder / "train.py").write_text(SCRIPT)
    trainer = ModelTrainer(
        training_image=IMAGE,
        source_code=SourceCode(source_dir=str(folder), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        role=role,
        base_job_name=target.name("sdk"),
        sagemaker_session=session,
    )
    trainer.train(wait=True, logs=False)
    return trainer._latest_training_job


@pytest.mark.capability("A11", "A13")
def test_the_sagemaker_client_trains_and_registers(target: Target, session: Any, tmp_path: Path) -> None:
    """ModelTrainer validates the role by IAM, uploads the code, trains; ModelBuilder registers what came of it."""
    from sagemaker.serve.model_builder import ModelBuilder

    job = _trained(target, session, tmp_path, target.role)
    assert job.training_job_status == "Completed"
    artifact = job.model_artifacts.s3_model_artifacts
    builder = ModelBuilder(s3_model_data_url=artifact, image_uri=IMAGE, role_arn=target.role, sagemaker_session=session)
    arn = builder.register(
        model_package_group_name=GROUP, content_types=["text/csv"], response_types=["text/csv"], inference_instances=["ml.m5.large"]
    )
    package = target.client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert (package["ModelPackageGroupName"], package["ModelPackageStatus"]) == (GROUP, "Completed")
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == artifact


def test_the_sagemaker_client_refuses_a_role_that_sagemaker_may_not_assume(target: Target, session: Any, tmp_path: Path) -> None:
    """Its validation reads the trust policy that the local AWS keeps; nothing is created."""
    before = len(target.admin.ledger(operation="CreateTrainingJob"))  # type: ignore[union-attr]
    with pytest.raises(Exception, match=r"(?i)trust"):
        _trained(target, session, tmp_path, f"arn:aws:iam::{target.account}:role/untrusted")
    assert len(target.admin.ledger(operation="CreateTrainingJob")) == before  # type: ignore[union-attr]
