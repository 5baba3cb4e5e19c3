"""The exact requests of a ModelEndpoint: its models, endpoint config and endpoint, and what takes them away again.

Member names and limits: Amazon SageMaker API Reference (CreateModel, CreateEndpointConfig, CreateEndpoint, UpdateEndpoint,
UpdateEndpointWeightsAndCapacities).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker_gitops.api.model_endpoint import DEFAULT_WAIT_INTERVAL, Rollout, Variant
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.facts import Container, LiveEndpoint, LiveVariant
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.merge import deep_merge

# Without it AWS captures everything as Base64 (CaptureContentTypeHeader, API Reference). In no name: what serves keeps its own.
READABLE = {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json", "application/jsonlines"]}
ROUTING = {"AllAtOnce": "ALL_AT_ONCE", "Canary": "CANARY", "Linear": "LINEAR"}


def create_models(serving: Serving) -> tuple[AwsRequest, ...]:
    """One for each different model; two variants may share one."""
    requests = {serving.model_name_of(name): _create_model(serving, name) for name in serving.models}
    return tuple(requests[name] for name in sorted(requests))


def create_config(serving: Serving) -> AwsRequest:
    """The wanted shares are its initial ones; an endpoint that takes the place of another keeps the live ones."""
    capture = serving.data_capture()
    optional = {
        "DataCaptureConfig": capture and {**capture, "CaptureContentTypeHeader": READABLE},
        "AsyncInferenceConfig": serving.async_inference(),
        "KmsKeyId": serving.effective.kms_key_arn,
    }
    parameters: dict[str, Any] = {
        "EndpointConfigName": serving.config_name,
        "ProductionVariants": [_production_variant(serving, variant) for variant in serving.spec.variants],
        "Tags": serving.tags("config", serving.config_name),
        **{name: value for name, value in optional.items() if value},
    }
    return _request(serving, "CreateEndpointConfig", serving.config_name, parameters, "createEndpointConfig")


def create_endpoint(serving: Serving) -> AwsRequest:
    name = serving.endpoint_name
    parameters = {"EndpointName": name, "EndpointConfigName": serving.config_name, "Tags": serving.tags("endpoint", name)}
    return AwsRequest("sagemaker", "CreateEndpoint", name, parameters)


def update_endpoint(serving: Serving, alarms: Sequence[str], live: LiveEndpoint | None = None) -> AwsRequest:
    """In place. Live shares and counts survive the change of models; what differs from the spec is corrected afterwards. Data capture
    is the config's. What was serverless has no counts to keep. `alarms` are the names of those that bring the old version back.
    """
    parameters: dict[str, Any] = {"EndpointName": serving.endpoint_name, "EndpointConfigName": serving.config_name}
    if live is None or is_serverless(live) == serving.serverless:
        parameters["RetainAllVariantProperties"] = True
        parameters["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": "DataCaptureConfig"}]
    if serving.spec.rollout is not None:
        parameters["DeploymentConfig"] = _deployment(serving.spec.rollout, alarms)
    return AwsRequest("sagemaker", "UpdateEndpoint", serving.endpoint_name, parameters)


def correct_shares(serving: Serving, live: LiveEndpoint) -> AwsRequest | None:
    """UpdateEndpointWeightsAndCapacities for the variants whose share or count is not the wanted one; None when all are.

    The count of a variant with autoscaling is the scaler's: it is neither compared nor sent.
    """
    wanted = []
    for variant in serving.spec.variants:
        found = live.variants.get(variant.name)
        if found is not None and (correction := _correction(serving, variant, found)):
            wanted.append({"VariantName": variant.name, **correction})
    if not wanted:
        return None
    parameters = {"EndpointName": serving.endpoint_name, "DesiredWeightsAndCapacities": wanted}
    return AwsRequest("sagemaker", "UpdateEndpointWeightsAndCapacities", serving.endpoint_name, parameters)


def is_serverless(live: LiveEndpoint) -> bool:
    return any(variant.serverless for variant in live.variants.values())


def delete_endpoint(name: str) -> AwsRequest:
    return AwsRequest("sagemaker", "DeleteEndpoint", name, {"EndpointName": name})


def delete_config(name: str) -> AwsRequest:
    return AwsRequest("sagemaker", "DeleteEndpointConfig", name, {"EndpointConfigName": name})


def delete_model(name: str) -> AwsRequest:
    return AwsRequest("sagemaker", "DeleteModel", name, {"ModelName": name})


def _correction(serving: Serving, variant: Variant, found: LiveVariant) -> dict[str, Any]:
    weight, count = serving.weight(variant), None if variant.autoscaling else serving.effective.instance_counts.get(variant.name)
    if abs(found.weight - weight) <= 1e-6 and (count is None or found.instances == count):
        return {}
    return {"DesiredWeight": weight} | ({} if count is None else {"DesiredInstanceCount": count})


def _create_model(serving: Serving, of: str) -> AwsRequest:
    effective, name = serving.effective, serving.model_name_of(of)
    containers = [_container(container) for container in serving.models[of].containers]
    etag = serving.models[of].etag
    parameters: dict[str, Any] = {
        "ModelName": name,
        **({"PrimaryContainer": containers[0]} if len(containers) == 1 else {"Containers": containers}),
        "ExecutionRoleArn": effective.role_arn,
        "Tags": serving.tags("model", name, {naming.TAG_ARTIFACT: etag} if etag else {}),
    }
    if effective.subnet_ids:
        parameters["VpcConfig"] = {"Subnets": list(effective.subnet_ids), "SecurityGroupIds": list(effective.security_group_ids)}
    if effective.network_isolation:
        parameters["EnableNetworkIsolation"] = True
    return _request(serving, "CreateModel", name, parameters, "createModel")


def _container(container: Container) -> dict[str, Any]:
    definition: dict[str, Any] = {"Image": container.image}
    if container.artifact:
        definition["ModelDataUrl"] = container.artifact
    if container.environment:
        definition["Environment"] = dict(container.environment)
    return definition


def _production_variant(serving: Serving, variant: Variant) -> dict[str, Any]:
    if variant.serverless is None:
        power: dict[str, Any] = {
            "InstanceType": serving.effective.instance_types[variant.name],
            "InitialInstanceCount": serving.effective.instance_counts[variant.name],
        }
    else:
        wanted = variant.serverless
        power = {"ServerlessConfig": {"MemorySizeInMB": wanted.memory_size_in_mb, "MaxConcurrency": wanted.max_concurrency}}
    return {
        "VariantName": variant.name,
        "ModelName": serving.model_name(variant),
        **power,
        "InitialVariantWeight": serving.weight(variant),
    }


def _request(serving: Serving, operation: str, subject: str, parameters: Mapping[str, Any], override: str) -> AwsRequest:
    return AwsRequest("sagemaker", operation, subject, deep_merge(parameters, serving.overrides(override)))


def _deployment(rollout: Rollout, alarms: Sequence[str]) -> dict[str, Any]:
    """UpdateEndpoint's DeploymentConfig. All at once has one share, which alarms can watch only before the old fleet is taken down."""
    wait = rollout.wait_interval or DEFAULT_WAIT_INTERVAL
    size = _capacity(rollout.size or "100%")
    config: dict[str, Any]
    if rollout.type == "Rolling":
        config = {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": wait}}
    else:
        routing: dict[str, Any] = {"Type": ROUTING[rollout.type], "WaitIntervalInSeconds": wait}
        routing |= {"Canary": {"CanarySize": size}, "Linear": {"LinearStepSize": size}}.get(rollout.type, {})
        policy: dict[str, Any] = {"TrafficRoutingConfiguration": routing}
        if alarms and rollout.type == "AllAtOnce":
            policy["TerminationWaitInSeconds"] = wait
        config = {"BlueGreenUpdatePolicy": policy}
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


def _capacity(size: int | str) -> dict[str, Any]:
    """CapacitySize: 10% or a number of instances."""
    if isinstance(size, int):
        return {"Type": "INSTANCE_COUNT", "Value": size}
    return {"Type": "CAPACITY_PERCENT", "Value": int(size.removesuffix("%"))}
