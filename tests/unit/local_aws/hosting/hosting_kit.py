"""The kit of the service tests, with models, endpoint configs and endpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from service_kit import IMAGE, REGION, ROLE, Kit, archive, until

from local_aws.faults import JobFailure
from local_aws.identity import ADMIN_KEY
from local_aws.sessions import new_client

# Answers with its own name, so that a test sees which model was asked.
NAMED = """
import os
def model_fn(folder):
    return open(os.path.join(folder, "name")).read()
def input_fn(data, content_type):
    return data
def predict_fn(data, model):
    return f"{model}:{data}"
def output_fn(prediction, accept):
    return prediction, "text/plain"
"""
BUSY = {"Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting"}


@dataclass(frozen=True, slots=True)
class HostingKit(Kit):
    """Everything that `endpoint` makes is deleted when the test ends."""

    made: list[str] = field(default_factory=list)

    def once(self, service: str) -> Any:
        """A client that does not repeat a call."""
        return new_client(
            service,
            Config(retries={"total_max_attempts": 1}),
            endpoint_url=self.server.url,
            region_name=REGION,
            aws_access_key_id=ADMIN_KEY,
            aws_secret_access_key="local",
        )

    def model(self, title: str = "m", script: str | None = NAMED, files: Mapping[str, str | bytes] | None = None, **changes: Any) -> str:
        """A model whose archive holds `name` (its title) and code/inference.py; returns its name."""
        name = self.name("model")
        contents: dict[str, str | bytes] = {"name": title, **(files or {})}
        if script is not None:
            contents["code/inference.py"] = script
        container = {"Image": IMAGE, "ModelDataUrl": self.put(f"models/{name}/model.tar.gz", archive(contents))}
        container |= changes.pop("PrimaryContainer", {})
        request = {"ModelName": name, "ExecutionRoleArn": ROLE, "PrimaryContainer": container} | changes
        self.client("sagemaker").create_model(**request)
        return name

    def variant(self, name: str = "AllTraffic", model: str | None = None, **changes: Any) -> dict[str, Any]:
        """A production variant on one ml.m5.large."""
        variant = {
            "VariantName": name,
            "ModelName": model or self.model(name),
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1.0,
        }
        return variant | changes

    def config(self, *variants: Mapping[str, Any], **changes: Any) -> str:
        """An endpoint configuration; returns its name."""
        name = self.name("config")
        request = {"EndpointConfigName": name, "ProductionVariants": list(variants) or [self.variant()]} | changes
        self.client("sagemaker").create_endpoint_config(**request)
        return name

    def endpoint(self, config: str | None = None, **changes: Any) -> str:
        """An endpoint on its way; returns its name."""
        name = changes.pop("EndpointName", None) or self.name("endpoint")
        self.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=config or self.config(), **changes)
        self.made.append(name)
        return name

    def serving(self, config: str | None = None, **changes: Any) -> str:
        """An endpoint that is InService; returns its name."""
        name = self.endpoint(config, **changes)
        described = self.settled(name)
        assert described["EndpointStatus"] == "InService", described.get("FailureReason")
        return name

    def described(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client("sagemaker").describe_endpoint(EndpointName=name)
        return answer

    def settled(self, name: str) -> dict[str, Any]:
        """Wait until the endpoint is in a stable state; its description."""
        until(lambda: self.described(name)["EndpointStatus"] not in BUSY, f"a stable state of {name}")
        return self.described(name)

    def update(self, name: str, config: str, **changes: Any) -> None:
        self.client("sagemaker").update_endpoint(EndpointName=name, EndpointConfigName=config, **changes)

    def invoke(self, name: str, body: str | bytes = "x", **changes: Any) -> dict[str, Any]:
        """One invocation; the answer with its body as text under `text`."""
        request = {"EndpointName": name, "Body": body, "ContentType": "text/csv"} | changes
        answer: dict[str, Any] = self.client("sagemaker-runtime").invoke_endpoint(**request)
        return answer | {"text": answer["Body"].read().decode()}

    def delete_made(self) -> None:
        """Delete the endpoints of the test; those that went already are passed over."""
        for name in self.made:
            with contextlib.suppress(ClientError):
                self.settled(name)
                self.client("sagemaker").delete_endpoint(EndpointName=name)
        self.made.clear()

    def fail_next(self, reason: str, kind: str = "Endpoint") -> None:
        """The next operation on an endpoint fails with this reason."""
        self.world.faults.fail_jobs(JobFailure(job=kind, reason=reason))


def only_variant(described: Mapping[str, Any]) -> dict[str, Any]:
    """The production variant of an endpoint that has one."""
    (variant,) = described["ProductionVariants"]
    found: dict[str, Any] = variant
    return found
