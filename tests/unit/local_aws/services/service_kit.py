"""A running local AWS inside the test's process, with the requests and waits that its service tests share."""

from __future__ import annotations

import io
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import boto3

from local_aws.identity import ADMIN_KEY
from local_aws.server import LocalServer

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/jobs"
UNTRUSTED = f"arn:aws:iam::{ACCOUNT}:role/untrusted"
IMAGE = f"683313688378.dkr.ecr.{REGION}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET = "kit-bucket"
SEED = {
    "roles": [
        {"name": "jobs", "trust": {"principals": ["sagemaker.amazonaws.com", "glue.amazonaws.com"]}},
        {"name": "untrusted"},
        {"name": "narrow", "passRoles": []},
    ]
}
_TERMINAL = {"Completed", "Failed", "Stopped", "SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"}


def until(condition: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Wait for a condition; AssertionError naming `what` at the deadline."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        pause.wait(0.01)


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A tar.gz with the given contents."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as target:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))
    return body.getvalue()


def wheel() -> bytes:
    """`gitops_demo` 1.0, a package that no registry is needed for; its VALUE is 42."""
    body, info = io.BytesIO(), "gitops_demo-1.0.dist-info"
    with zipfile.ZipFile(body, "w") as target:
        target.writestr("gitops_demo.py", "VALUE = 42\n")
        target.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: gitops-demo\nVersion: 1.0\n")
        target.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        target.writestr(f"{info}/RECORD", f"gitops_demo.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return body.getvalue()


@dataclass(frozen=True, slots=True)
class Kit:
    """One local AWS; every name it makes is new, so that tests do not meet."""

    server: LocalServer
    _clients: dict[str, Any] = field(default_factory=dict)

    @property
    def world(self) -> Any:
        return self.server.world

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.client_as(service, ADMIN_KEY)
        return self._clients[service]

    def client_as(self, service: str, key: str, token: str | None = None) -> Any:
        return boto3.session.Session().client(
            service,
            endpoint_url=self.server.url,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key="local",
            aws_session_token=token,
        )

    def name(self, prefix: str = "job") -> str:
        return f"{prefix}-{uuid4().hex[:12]}"

    def put(self, key: str, body: str | bytes) -> str:
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def read(self, uri: str) -> bytes:
        key = uri.removeprefix(f"s3://{BUCKET}/")
        body: bytes = self.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def members(self, uri: str) -> dict[str, str]:
        """Name -> text of the regular files in a tar.gz in S3."""
        with tarfile.open(fileobj=io.BytesIO(self.read(uri)), mode="r:gz") as source:
            return {
                member.name: source.extractfile(member).read().decode()  # type: ignore[union-attr]
                for member in source.getmembers()
                if member.isfile()
            }

    def training_request(self, script: str | None = None, files: Mapping[str, str | bytes] | None = None, **changes: Any) -> dict[str, Any]:
        """A CreateTrainingJob request; `script` becomes train.py in script mode, with `files` beside it."""
        name = changes.pop("TrainingJobName", None) or self.name("train")
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        }
        if script is not None:
            source = self.put(f"code/{name}/sourcedir.tar.gz", archive({"train.py": script, **(files or {})}))
            request["HyperParameters"] = {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": source,
            }
        algorithm = changes.pop("AlgorithmSpecification", {})
        request["AlgorithmSpecification"] |= algorithm
        request["HyperParameters"] = request.get("HyperParameters", {}) | changes.pop("HyperParameters", {})
        return request | changes

    def train(self, script: str | None = None, **changes: Any) -> str:
        """Create a training job; returns its name."""
        request = self.training_request(script, **changes)
        self.client("sagemaker").create_training_job(**request)
        name: str = request["TrainingJobName"]
        return name

    def training(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client("sagemaker").describe_training_job(TrainingJobName=name)
        return answer

    def trained(self, name: str) -> dict[str, Any]:
        """Wait for the job's end; its description."""
        until(lambda: self.training(name)["TrainingJobStatus"] in _TERMINAL, f"the end of {name}")
        return self.training(name)

    def in_training(self, name: str) -> None:
        """Wait until the job's own process has said "ready" in its log."""
        until(lambda: "ready" in self.log("/aws/sagemaker/TrainingJobs", name), f"the start of {name}")

    def processing_request(self, script: str, **changes: Any) -> dict[str, Any]:
        name = self.name("process")
        code = self.put(f"code/{name}/script.py", script)
        request: dict[str, Any] = {
            "ProcessingJobName": name,
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/script.py"],
            },
            "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
            "ProcessingInputs": [s3_input("code", code, "/opt/ml/processing/input/code")],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "result",
                        "S3Output": {
                            "S3Uri": f"s3://{BUCKET}/results/{name}",
                            "LocalPath": "/opt/ml/processing/output",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            },
        }
        return request | changes

    def process(self, script: str, **changes: Any) -> str:
        request = self.processing_request(script, **changes)
        self.client("sagemaker").create_processing_job(**request)
        name: str = request["ProcessingJobName"]
        return name

    def processing(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client("sagemaker").describe_processing_job(ProcessingJobName=name)
        return answer

    def processed(self, name: str) -> dict[str, Any]:
        until(lambda: self.processing(name)["ProcessingJobStatus"] in _TERMINAL, f"the end of {name}")
        return self.processing(name)

    def glue_job(self, script: str, **changes: Any) -> str:
        name = self.name("etl")
        location = self.put(f"glue/{name}.py", script)
        request: dict[str, Any] = {
            "Name": name,
            "Role": ROLE,
            "Command": {"Name": "pythonshell", "ScriptLocation": location, "PythonVersion": "3.9"},
        }
        self.client("glue").create_job(**(request | changes))
        return name

    def start(self, job: str, **changes: Any) -> str:
        run: str = self.client("glue").start_job_run(JobName=job, **changes)["JobRunId"]
        return run

    def run(self, job: str, run_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client("glue").get_job_run(JobName=job, RunId=run_id)["JobRun"]
        return answer

    def ran(self, job: str, run_id: str) -> dict[str, Any]:
        until(lambda: self.run(job, run_id)["JobRunState"] in _TERMINAL, f"the end of run {run_id} of {job}")
        return self.run(job, run_id)

    def log(self, group: str, prefix: str) -> str:
        """All lines of the streams whose name begins with `prefix`; empty while there is no such group."""
        logs = self.client("logs")
        try:
            streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)["logStreams"]
        except logs.exceptions.ResourceNotFoundException:
            return ""
        events = [
            event["message"]
            for stream in streams
            for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)["events"]
        ]
        return "\n".join(events)


def make_bucket(kit: Kit) -> None:
    """The kit's bucket, unless another server of this process has made it: moto keeps one account for a process."""
    s3 = kit.client("s3")
    if BUCKET not in [each["Name"] for each in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})


def s3_input(name: str, uri: str, path: str) -> dict[str, Any]:
    """A processing input of kind S3Prefix."""
    return {"InputName": name, "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix"}}


def channel(name: str, uri: str, data_type: str = "S3Prefix") -> dict[str, Any]:
    """A training channel."""
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": data_type, "S3Uri": uri}}}
