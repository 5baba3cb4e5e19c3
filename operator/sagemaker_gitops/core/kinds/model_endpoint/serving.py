"""What a ModelEndpoint serves, by content: the names of its models and of its endpoint config. The requests are in requests.py.

Weights and counts are in no name: changing them makes no new config. What a name is made of only ever grows by members that
older specs do not have, so that what serves keeps its name (naming.ALGORITHM).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.api.model_endpoint import DEFAULT_WEIGHT, ModelEndpointSpec, Variant
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.kinds.model_endpoint.effective import Effective
from sagemaker_gitops.core.kinds.model_endpoint.facts import Alias, Container, Resolved
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Bound

CAPTURE_FOLDER = "capture"
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Serving:
    """Everything that names and requests are made from; `models` holds one for every variant, or the one of batch alone."""

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

    @property
    def serverless(self) -> bool:
        return any(variant.serverless for variant in self.spec.variants)

    def model_name(self, variant: Variant) -> str:
        return self.model_name_of(variant.name)

    def model_name_of(self, name: str) -> str:
        """`name` is a variant's, or effective.BATCH where there are no variants."""
        return self._own_model_name(name) if self.alias is None else self.alias.models[name]

    def own_model_name(self, variant: Variant) -> str:
        return self._own_model_name(variant.name)

    def model_digest(self, name: str) -> str:
        """Identity of what the model answers, whatever it runs as and where."""
        content = self._model_content(name)
        return naming.content_key({part: content[part] for part in content if part not in ("role", "vpc")})

    def weight(self, variant: Variant) -> float:
        return DEFAULT_WEIGHT if variant.weight is None else variant.weight

    def data_capture(self) -> dict[str, Any] | None:
        """DataCaptureConfig, but for how what is captured is written."""
        capture = self.spec.data_capture
        if capture is None:
            return None
        config: dict[str, Any] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": capture.initial_sampling_percentage,
            "DestinationS3Uri": f"{self.effective.artifact_prefix}{self.owner.namespace}/{self.owner.name}/{CAPTURE_FOLDER}/",
            "CaptureOptions": [{"CaptureMode": mode} for mode in capture.capture_modes],
        }
        return config | ({"KmsKeyId": self.effective.kms_key_arn} if self.effective.kms_key_arn else {})

    def async_inference(self) -> dict[str, Any] | None:
        """AsyncInferenceConfig."""
        wanted = self.spec.async_
        if wanted is None:
            return None
        output: dict[str, Any] = {"S3OutputPath": self.effective.async_output(self.owner)}
        if wanted.failure:
            output["S3FailurePath"] = wanted.failure
        if self.effective.kms_key_arn:
            output["KmsKeyId"] = self.effective.kms_key_arn
        topics = {"SuccessTopic": wanted.success_topic_arn, "ErrorTopic": wanted.error_topic_arn}
        if given := {name: arn for name, arn in topics.items() if arn}:
            output["NotificationConfig"] = given
        most = wanted.max_concurrent_invocations_per_instance
        client = {"ClientConfig": {"MaxConcurrentInvocationsPerInstance": most}} if most is not None else {}
        return {"OutputConfig": output, **client}

    def overrides(self, operation: str) -> Mapping[str, Any]:
        """What the user adds to a request; `operation` in the spec's spelling."""
        given = self.spec.overrides.model_dump(by_alias=True, exclude_none=True) if self.spec.overrides is not None else {}
        found: Mapping[str, Any] = given.get(operation, {})
        return found

    def tags(self, step: str, key: str, more: Mapping[str, str] = NOTHING) -> list[dict[str, str]]:
        own = naming.owner_tags(self.install, self.owner, step=step, key=key, attempt=1, revision=self.revision)
        given = dict(self.effective.tags)
        return [{"Key": name, "Value": value} for name, value in sorted({**given, **naming.tag_memory(given), **own, **more}.items())]

    def _identity(self) -> list[str]:
        tenant = self.tenant.spec
        return [self.install, tenant.account, tenant.region, *(self.owner.kind, self.owner.namespace, self.owner.name)]

    def _own_model_name(self, name: str) -> str:
        return naming.aws_name(self.owner, "model", naming.content_key([*self._identity(), self._model_content(name)]))

    def _model_content(self, name: str) -> dict[str, Any]:
        model = self.models[name]
        links = [_container_content(container) for container in model.containers]
        content = {"container": [*links[0], model.package_arn]} if len(links) == 1 else {"containers": [*links, model.package_arn]}
        return content | {
            "role": self.effective.role_arn,
            "vpc": [list(self.effective.subnet_ids), list(self.effective.security_group_ids), self.effective.network_isolation],
            "overrides": self.overrides("createModel"),
        }

    def _config_content(self) -> list[Any]:
        variants = [[variant.name, self.own_model_name(variant), self._power(variant)] for variant in self.spec.variants]
        content = [*self._identity(), variants, self.data_capture(), self.effective.kms_key_arn, self.overrides("createEndpointConfig")]
        return [*content, {"async": self.async_inference()}] if self.spec.async_ is not None else content

    def _power(self, variant: Variant) -> Any:
        if variant.serverless is None:
            return self.effective.instance_types[variant.name]
        return {"serverless": [variant.serverless.memory_size_in_mb, variant.serverless.max_concurrency]}


def endpoint_name(install: str, owner: Key, given: str | None = None) -> str:
    """What callers put into their code: it never changes while the object lives, and comes back with it. `given`: spec.endpointName."""
    return given or f"{naming.readable(owner)}-{naming.content_key([install, owner.namespace, owner.name])[:6]}".lower()


def _container_content(container: Container) -> list[Any]:
    return [container.image, container.artifact, dict(container.environment)]
