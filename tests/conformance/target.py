"""What the conformance cases run against: the local AWS, or one day a real account, through the same boto3
calls.

On a real account (`pytest -m live tests/conformance` with CONFORMANCE_ROLE_ARN and CONFORMANCE_BUCKET set,
and credentials and region in boto3's own variables) only the cases marked `live` make sense: the others order
faults.
"""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from local_aws.client import AdminClient

IMAGE = "sagemaker-scikit-learn:1.2-1-cpu-py3"
_REGISTRY = {"eu-central-1": "492215442770", "us-east-1": "683313688378", "eu-west-1": "141502667606"}
SLEEPS = "import time\ntime.sleep(600)\n"
_ENDED = {"Completed", "Failed", "Stopped", "SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"}


@dataclass(frozen=True, slots=True)
class Target:
    """Clients, a role that SageMaker and Glue may assume, and a bucket; `admin` is None on a real account."""

    client: Callable[[str], Any]
    role: str
    account: str
    region: str
    bucket: str
    admin: AdminClient | None
    wait_seconds: float = 30.0

    def name(self, prefix: str = "conformance") -> str:
        return f"{prefix}-{uuid4().hex[:10]}"

    @property
    def image(self) -> str:
        return f"{_REGISTRY.get(self.region, '492215442770')}.dkr.ecr.{self.region}.amazonaws.com/{IMAGE}"

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    def put(self, key: str, body: bytes) -> str:
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def script(self, text: str) -> dict[str, str]:
        """Hyperparameters that run a script in script mode."""
        body = io.BytesIO()
        with tarfile.open(fileobj=body, mode="w:gz") as archive:
            member = tarfile.TarInfo("train.py")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
        source = self.put(f"code/{self.name()}/sourcedir.tar.gz", body.getvalue())
        return {"sagemaker_program": "train.py", "sagemaker_submit_directory": source}

    def training(self, script: str = "print('x')\n", **changes: Any) -> dict[str, Any]:
        request = {
            "TrainingJobName": self.name(),
            "RoleArn": self.role,
            "AlgorithmSpecification": {"TrainingImage": self.image, "TrainingInputMode": "File"},
            "HyperParameters": self.script(script),
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 900},
        }
        return request | changes

    def processing(self, script: str = "print('x')\n", **changes: Any) -> dict[str, Any]:
        name = self.name()
        code = self.put(f"code/{name}/script.py", script.encode())
        local = "/opt/ml/processing/input/code"
        request = {
            "ProcessingJobName": name,
            "RoleArn": self.role,
            "AppSpecification": {
                "ImageUri": self.image,
                "ContainerEntrypoint": ["python3", f"{local}/script.py"],
            },
            "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}},
            "ProcessingInputs": [
                {
                    "InputName": "code",
                    "S3Input": {"S3Uri": code, "LocalPath": local, "S3DataType": "S3Prefix"},
                }
            ],
        }
        return request | changes

    def model(self, **changes: Any) -> dict[str, Any]:
        request = {
            "ModelName": self.name(),
            "ExecutionRoleArn": self.role,
            "PrimaryContainer": {"Image": self.image},
        }
        return request | changes

    def package(self, group: str, **changes: Any) -> dict[str, Any]:
        request = {
            "ModelPackageGroupName": group,
            "InferenceSpecification": {
                "Containers": [{"Image": self.image, "ModelDataUrl": f"s3://{self.bucket}/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        }
        return request | changes

    def group(self) -> str:
        name = self.name("group")
        self.client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
        return name

    def glue_job(self, script: str = "print('x')\n", **changes: Any) -> dict[str, Any]:
        name = self.name("etl")
        location = self.put(f"glue/{name}.py", script.encode())
        command = {"Name": "pythonshell", "ScriptLocation": location, "PythonVersion": "3.9"}
        return {"Name": name, "Role": self.role, "Command": command} | changes

    def wait(self, status: Callable[[], str], wanted: set[str] | None = None) -> str:
        """Wait until `status()` is one of `wanted` (any final state by default); the status."""
        deadline = time.monotonic() + self.wait_seconds
        pause = threading.Event()
        while (found := status()) not in (wanted or _ENDED):
            assert time.monotonic() < deadline, f"still {found} after {self.wait_seconds} s"
            pause.wait(0.02 if self.admin is not None else 10)
        return found

    def train(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Create a training job and wait for its end; its description."""
        sagemaker = self.client("sagemaker")
        sagemaker.create_training_job(**request)
        return self.trained(request["TrainingJobName"])

    def trained(self, name: str) -> dict[str, Any]:
        describe = self.client("sagemaker").describe_training_job
        self.wait(lambda: describe(TrainingJobName=name)["TrainingJobStatus"])
        answer: dict[str, Any] = describe(TrainingJobName=name)
        return answer

    def processed(self, name: str) -> dict[str, Any]:
        describe = self.client("sagemaker").describe_processing_job
        self.wait(lambda: describe(ProcessingJobName=name)["ProcessingJobStatus"])
        answer: dict[str, Any] = describe(ProcessingJobName=name)
        return answer
