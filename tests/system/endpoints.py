"""ModelEndpoints for the system tests: packages made by hand, objects applied, a client that never stops asking."""

from __future__ import annotations

import io
import tarfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from botocore.exceptions import ClientError

from tests.system.stack import Stack

IMAGE = "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SERVES = """
def model_fn(folder):
    return VALUE
def input_fn(body, content_type):
    return body
def predict_fn(data, model):
    return model
def output_fn(prediction, accept):
    return str(prediction), "text/csv"
"""
BROKEN = "def model_fn(folder):\n    raise ValueError('no such model')\n"
ENVIRONMENT = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
CREATES = ("sagemaker:CreateModel", "sagemaker:CreateEndpointConfig", "sagemaker:CreateEndpoint")


class Endpoints:
    """Model packages made by hand, and ModelEndpoints that serve them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def artifact(self, script: str) -> str:
        """A model archive in S3 whose code answers as `script` says."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            entry = tarfile.TarInfo("code/inference.py")
            entry.size = len(script.encode())
            archive.addfile(entry, io.BytesIO(script.encode()))
        key = f"models/{uuid.uuid4().hex[:8]}/model.tar.gz"
        self.stack.client("s3").put_object(Bucket="team-a-ml", Key=key, Body=packed.getvalue())
        return f"s3://team-a-ml/{key}"

    def register(self, group: str, script: str, approval: str = "Approved") -> str:
        """A new version; its ARN."""
        sagemaker = self.stack.client("sagemaker")
        with suppress(ClientError):
            sagemaker.create_model_package_group(ModelPackageGroupName=group)
        container = {"Image": IMAGE, "ModelDataUrl": self.artifact(script), "Environment": ENVIRONMENT}
        arn: str = sagemaker.create_model_package(
            ModelPackageGroupName=group,
            ModelApprovalStatus=approval,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        return arn

    def approve(self, arn: str, status: str) -> None:
        self.stack.client("sagemaker").update_model_package(ModelPackageArn=arn, ModelApprovalStatus=status)

    def apply(self, name: str, *variants: Mapping[str, Any], **spec: Any) -> None:
        self.stack.apply(
            {
                "apiVersion": "sagemaker-gitops.dev/v1alpha1",
                "kind": "ModelEndpoint",
                "metadata": {"name": name, "namespace": self.stack.namespace},
                "spec": {"variants": list(variants), **spec},
            }
        )

    def get(self, name: str) -> dict[str, Any]:
        return self.stack.read("ModelEndpoint", name)

    def status(self, name: str) -> dict[str, Any]:
        return dict(self.get(name).get("status", {}))

    def until(self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
        """The status once it is about the present spec and holds what is asked."""
        return dict(self.stack.wait("ModelEndpoint", name, holds, seconds).get("status", {}))

    def in_service(self, name: str, live: str | None = None) -> dict[str, Any]:
        def holds(status: dict[str, Any]) -> bool:
            return status.get("phase") == "InService" and (live is None or status.get("live") == live)

        return self.until(name, holds)

    def ask(self, name: str) -> str:
        runtime = self.stack.client("sagemaker-runtime")
        body: bytes = runtime.invoke_endpoint(EndpointName=self.status(name)["endpointName"], ContentType="text/csv", Body=b"1")[
            "Body"
        ].read()
        return body.decode().strip()

    @contextmanager
    def asking(self, name: str) -> Iterator[Counter[str]]:
        """A client that never stops asking: what it was answered, or "failed"."""
        endpoint, runtime, answers, over = (
            self.status(name)["endpointName"],
            self.stack.client("sagemaker-runtime"),
            Counter[str](),
            threading.Event(),
        )

        def ask() -> None:
            while not over.wait(0.02):
                try:
                    answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Body=b"1")["Body"].read()
                    answers[answer.decode().strip()] += 1
                except ClientError:
                    answers["failed"] += 1

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield answers
        finally:
            over.set()
            thread.join(10)

    def delete(self, name: str, *, wait: bool = True) -> None:
        waits = f"--wait={'true' if wait else 'false'}"
        self.stack.sandbox.kubectl("delete", "mep", name, "-n", self.stack.namespace, waits, "--timeout=60s")

    def served(self, group: str, *values: int, **spec: Any) -> dict[str, Any]:
        """A group with one approved version for each value, and an endpoint of that name that serves the first; its status."""
        for value in values:
            self.register(group, serves(value))
        self.apply(group, pinned(group, 1), **spec)
        return self.in_service(group)

    def refused(self, name: str, operation: str) -> int:
        """Calls of an operation for one object that AWS refused."""
        entries = self.stack.aws.ledger(operation=operation, accepted="false", limit=1_000_000)
        return sum(entry["sessionTags"].get("name") == name for entry in entries)

    def configs(self, name: str) -> set[str]:
        """Names of the endpoint configs that AWS holds of one object."""
        found = self.stack.client("sagemaker").list_endpoint_configs(NameContains=f"{self.stack.namespace}-{name}-config", MaxResults=100)
        return {item["EndpointConfigName"] for item in found["EndpointConfigs"]}

    @contextmanager
    def slow(self, **seconds: float) -> Iterator[None]:
        """The local AWS takes its time: creating=2 and its like, in seconds."""
        names = {f"endpoints.{what}Seconds": value for what, value in seconds.items()}
        self.stack.aws.admin("PUT", "settings", names)
        try:
            yield
        finally:
            self.stack.aws.admin("PUT", "settings", dict.fromkeys(names, 0.05))


def pinned(group: str, version: int, **variant: Any) -> dict[str, Any]:
    """One variant that serves this version."""
    return {"name": "all", "model": {"package": {"group": group, "version": version}}, **variant}


def serves(value: int) -> str:
    return SERVES.replace("VALUE", str(value))


def latest(group: str) -> dict[str, Any]:
    return {"package": {"group": group, "approved": "Latest"}}
