"""What a ModelEndpoint asks AWS for: its models and endpoint config by content, its endpoint by name, and the exact requests.

Member names and limits: Amazon SageMaker API Reference (CreateModel, CreateEndpointConfig, CreateEndpoint, UpdateEndpoint,
UpdateEndpointWeightsAndCapacities). Weights and counts are in no key: changing them makes no new config.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.api.model_endpoint import DEFAULT_WAIT_INTERVAL, DEFAULT_WEIGHT, ModelEndpointSpec, Rollout, Variant
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.effective import Effective
from sagemaker_gitops.core.kinds.model_endpoint.facts import Alias, LiveEndpoint, Resolved
from sagemaker_gitops.core.merge import deep_merge
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Bound

CAPTURE_FOLDER = "capture"
NOTHING: Mapping[str, str] = {}
ROUTING = {"AllAtOnce": "ALL_AT_ONCE", "Canary": "CANARY", "Linear": "LINEAR"}


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything that names and requests are made from; `models` holds one for every variant."""

    install: str
    owner: Key
    spec: ModelEndpointSpec
    tenant: Bound
    effective: Effective
    models: Mapping[str, Resolved]
    revision: str = ""
    alias: Alias | None = None

    @property
    def endpoint_name(self) -> str:
        return endpoint_name(self.install, self.owner, self.spec.endpoint_name)

    @property
    def config_name(self) -> str:
        """The config that has the wanted content: ours, or the adopted one that is equal to it."""
        return self.own_config_name if self.alias is None else self.alias.config

    @property
    def own_config_name(self) -> str:
        """Equal for equal models on equal machines, whatever their shares."""
        return naming.aws_name(self.owner, "config", naming.content_key(self._config_content()))

    def model_name(self, variant: Variant) -> str:
        return self.own_model_name(variant) if self.alias is None else self.alias.models[variant.name]

    def own_model_name(self, variant: Variant) -> str:
        return naming.aws_name(self.owner, "model", naming.content_key([*self._identity(), self._model_content(variant)]))

    def weight(self, variant: Variant) -> float:
        return DEFAULT_WEIGHT if variant.weight is None else variant.weight

    def create_models(self) -> tuple[AwsRequest, ...]:
        """One for each different model; two variants may share one."""
        requests = {self.model_name(variant): self._create_model(variant) for variant in self.spec.variants}
        return tuple(requests[name] for name in sorted(requests))

    def create_config(self) -> AwsRequest:
        """The wanted shares are its initial ones; an endpoint that takes the place of another keeps the live ones."""
        effective = self.effective
        variants = [
            {
                "VariantName": variant.name,
                "ModelName": self.model_name(variant),
                "InstanceType": effective.instance_types[variant.name],
                "InitialInstanceCount": effective.instance_counts[variant.name],
                "InitialVariantWeight": self.weight(variant),
            }
            for variant in self.spec.variants
        ]
        parameters: dict[str, Any] = {
            "EndpointConfigName": self.config_name,
            "ProductionVariants": variants,
            "Tags": self._tags("config", self.config_name),
        }
        if self.spec.data_capture is not None:
            parameters["DataCaptureConfig"] = self._data_capture()
        if effective.kms_key_arn:
            parameters["KmsKeyId"] = effective.kms_key_arn
        return self._request("CreateEndpointConfig", self.config_name, parameters, "createEndpointConfig")

    def create_endpoint(self) -> AwsRequest:
        parameters = {
            "EndpointName": self.endpoint_name,
            "EndpointConfigName": self.config_name,
            "Tags": self._tags("endpoint", self.endpoint_name),
        }
        return AwsRequest("sagemaker", "CreateEndpoint", self.endpoint_name, parameters)

    def update_endpoint(self) -> AwsRequest:
        """In place. Live shares and counts survive the change of models; what differs from the spec is corrected afterwards."""
        parameters: dict[str, Any] = {
            "EndpointName": self.endpoint_name,
            "EndpointConfigName": self.config_name,
            "RetainAllVariantProperties": True,
        }
        if self.spec.rollout is not None:
            parameters["DeploymentConfig"] = _deployment(self.spec.rollout)
        return AwsRequest("sagemaker", "UpdateEndpoint", self.endpoint_name, parameters)

    def correct_shares(self, live: LiveEndpoint) -> AwsRequest | None:
        """UpdateEndpointWeightsAndCapacities for the variants whose share or count is not the wanted one; None when all are."""
        wanted = []
        for variant in self.spec.variants:
            found = live.variants.get(variant.name)
            weight, count = self.weight(variant), self.effective.instance_counts[variant.name]
            if found is not None and (abs(found.weight - weight) > 1e-6 or found.instances != count):
                wanted.append({"VariantName": variant.name, "DesiredWeight": weight, "DesiredInstanceCount": count})
        if not wanted:
            return None
        parameters = {"EndpointName": self.endpoint_name, "DesiredWeightsAndCapacities": wanted}
        return AwsRequest("sagemaker", "UpdateEndpointWeightsAndCapacities", self.endpoint_name, parameters)

    def _identity(self) -> list[str]:
        tenant = self.tenant.spec
        return [self.install, tenant.account, tenant.region, *(self.owner.kind, self.owner.namespace, self.owner.name)]

    def _model_content(self, variant: Variant) -> dict[str, Any]:
        model = self.models[variant.name]
        return {
            "container": [model.image, model.artifact, dict(model.environment), model.package_arn],
            "role": self.effective.role_arn,
            "vpc": [list(self.effective.subnet_ids), list(self.effective.security_group_ids), self.effective.network_isolation],
            "overrides": self._overrides("createModel"),
        }

    def _config_content(self) -> list[Any]:
        variants = [
            [variant.name, self.own_model_name(variant), self.effective.instance_types[variant.name]] for variant in self.spec.variants
        ]
        capture = self._data_capture() if self.spec.data_capture is not None else None
        return [*self._identity(), variants, capture, self.effective.kms_key_arn, self._overrides("createEndpointConfig")]

    def _create_model(self, variant: Variant) -> AwsRequest:
        model, effective, name = self.models[variant.name], self.effective, self.model_name(variant)
        container: dict[str, Any] = {"Image": model.image}
        if model.artifact:
            container["ModelDataUrl"] = model.artifact
        if model.environment:
            container["Environment"] = dict(model.environment)
        parameters: dict[str, Any] = {
            "ModelName": name,
            "PrimaryContainer": container,
            "ExecutionRoleArn": effective.role_arn,
            "Tags": self._tags("model", name, {naming.TAG_ARTIFACT: model.etag} if model.etag else {}),
        }
        if effective.subnet_ids:
            parameters["VpcConfig"] = {"Subnets": list(effective.subnet_ids), "SecurityGroupIds": list(effective.security_group_ids)}
        if effective.network_isolation:
            parameters["EnableNetworkIsolation"] = True
        return self._request("CreateModel", name, parameters, "createModel")

    def _data_capture(self) -> dict[str, Any]:
        capture = self.spec.data_capture
        assert capture is not None
        prefix = f"{self.effective.artifact_prefix}{self.owner.namespace}/{self.owner.name}/{CAPTURE_FOLDER}/"
        config: dict[str, Any] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": capture.initial_sampling_percentage,
            "DestinationS3Uri": prefix,
            "CaptureOptions": [{"CaptureMode": mode} for mode in capture.capture_modes],
        }
        return config | ({"KmsKeyId": self.effective.kms_key_arn} if self.effective.kms_key_arn else {})

    def _tags(self, step: str, key: str, more: Mapping[str, str] = NOTHING) -> list[dict[str, str]]:
        own = naming.owner_tags(self.install, self.owner, step=step, key=key, attempt=1, revision=self.revision)
        given = dict(self.effective.tags)
        return [{"Key": name, "Value": value} for name, value in sorted({**given, **naming.tag_memory(given), **own, **more}.items())]

    def _overrides(self, operation: str) -> Mapping[str, Any]:
        given = self.spec.overrides.model_dump(by_alias=True, exclude_none=True) if self.spec.overrides is not None else {}
        found: Mapping[str, Any] = given.get(operation, {})
        return found

    def _request(self, operation: str, subject: str, parameters: Mapping[str, Any], override: str) -> AwsRequest:
        return AwsRequest("sagemaker", operation, subject, deep_merge(parameters, self._overrides(override)))


def endpoint_name(install: str, owner: Key, given: str | None = None) -> str:
    """What callers put into their code: it never changes while the object lives, and comes back with it. `given`: spec.endpointName."""
    return given or f"{naming.readable(owner)}-{naming.content_key([install, owner.namespace, owner.name])[:6]}".lower()


def delete_endpoint(name: str) -> AwsRequest:
    return AwsRequest("sagemaker", "DeleteEndpoint", name, {"EndpointName": name})


def delete_config(name: str) -> AwsRequest:
    return AwsRequest("sagemaker", "DeleteEndpointConfig", name, {"EndpointConfigName": name})


def delete_model(name: str) -> AwsRequest:
    return AwsRequest("sagemaker", "DeleteModel", name, {"ModelName": name})


def _deployment(rollout: Rollout) -> dict[str, Any]:
    """UpdateEndpoint's DeploymentConfig."""
    wait = rollout.wait_interval or DEFAULT_WAIT_INTERVAL
    size = {"Type": "CAPACITY_PERCENT", "Value": int((rollout.size or "100%").removesuffix("%"))}
    config: dict[str, Any]
    if rollout.type == "Rolling":
        config = {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": wait}}
    else:
        routing: dict[str, Any] = {"Type": ROUTING[rollout.type], "WaitIntervalInSeconds": wait}
        routing |= {"Canary": {"CanarySize": size}, "Linear": {"LinearStepSize": size}}.get(rollout.type, {})
        config = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    if rollout.alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in rollout.alarms]}
    return config
