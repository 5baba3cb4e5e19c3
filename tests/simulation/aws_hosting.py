"""SageMaker hosting: models, endpoint configs and endpoints, with AWS's refusals, rollbacks and stale reads.

Written from the Amazon SageMaker API Reference and developer guide, not from the operator: CreateModel, CreateEndpointConfig,
Create-, Update-, Delete- and DescribeEndpoint, UpdateEndpointWeightsAndCapacities, the List calls; "Automatically roll back" (an
alarm ends InService on the old config without a FailureReason). The words are those of sandbox/local_aws/hosting/words.py.
AWS does not refuse to delete a config or model that is in use: that is the oracles' business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.aws import Context, Handler, Refused, Tags
from tests.simulation.aws_jobs import moment

ARN = "arn:aws:sagemaker:eu-central-1:123456789012"
CREATE_TAKES, UPDATE_TAKES, ROLLBACK_TAKES, WEIGHTS_TAKE, DELETE_TAKES, MAINTENANCE_TAKES = 120.0, 120.0, 40.0, 20.0, 20.0, 60.0  # seconds
BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
ALARMING = "alarming"  # in the artifact's URL: an alarm goes off while it is rolled out, and as a first version it fails
WORDS = {"model": "model", "endpoint-config": "endpoint configuration", "endpoint": "endpoint"}


@dataclass(frozen=True, slots=True)
class Definition:
    """A model or an endpoint config: a record that never changes."""

    name: str
    tags: Tags
    created: float
    describe_lag: float
    list_lag: float
    parameters: Mapping[str, Any]


@dataclass(slots=True)
class Endpoint:
    """`live` is the config that serves, `pending` the one that is being rolled out, `config` the one that Describe names.

    `variants` hold weight and count.
    `views` are the answers of Describe since which second: a replica shows one of them late.
    """

    name: str
    tags: Tags
    created: float
    describe_lag: float
    list_lag: float
    config: str
    status: str = "Creating"
    live: str | None = None
    pending: str | None = None
    modified: float = 0.0
    reason: str = ""
    captured: str = ""
    gone: bool = False
    variants: dict[str, tuple[float, int]] = field(default_factory=dict)
    views: list[tuple[float, dict[str, Any] | None]] = field(default_factory=list)
    change: int = 0

    @property
    def uses(self) -> set[str]:
        """The configs that must not be deleted."""
        return {config for config in (self.live, self.pending) if config is not None}


class Hosting:
    """Everything by name. An endpoint that is gone is kept with its views until another of that name is made."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.models: dict[str, Definition] = {}
        self.configs: dict[str, Definition] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.rollbacks: dict[str, float] = {}
        self.registered: Callable[[str, str], bool] = lambda name, variant: False

    def handlers(self) -> dict[str, Handler]:
        return {
            "sagemaker:CreateModel": lambda p: self._define("CreateModel", "model", self.models, p["ModelName"], p),
            "sagemaker:CreateEndpointConfig": self._create_config,
            "sagemaker:CreateEndpoint": self._create,
            "sagemaker:DescribeEndpoint": self._describe,
            "sagemaker:UpdateEndpoint": self._update,
            "sagemaker:UpdateEndpointWeightsAndCapacities": self._reweigh,
            "sagemaker:DeleteEndpoint": self._delete,
            "sagemaker:DeleteEndpointConfig": lambda p: self._drop("DeleteEndpointConfig", "endpoint-config", self.configs, p),
            "sagemaker:DeleteModel": lambda p: self._drop("DeleteModel", "model", self.models, p),
            "sagemaker:ListEndpoints": self._list_endpoints,
            "sagemaker:DescribeEndpointConfig": lambda p: self._shown("endpoint-config", self.configs, p["EndpointConfigName"]),
            "sagemaker:DescribeModel": lambda p: self._shown("model", self.models, p["ModelName"]),
            "sagemaker:ListEndpointConfigs": lambda p: self._list("EndpointConfig", self.configs, p),
            "sagemaker:ListModels": lambda p: self._list("Model", self.models, p),
        }

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        return {
            "model": lambda name: self._defined("model", self.models, name).tags,
            "endpoint-config": lambda name: self._defined("endpoint-config", self.configs, name).tags,
            "endpoint": lambda name: self._present(name).tags,
        }

    @property
    def busy(self) -> bool:
        """Whether AWS is still at work on any endpoint."""
        return any(endpoint.status in BUSY and not endpoint.gone for endpoint in self.endpoints.values())

    def find(self, name: str) -> Endpoint | None:
        """The endpoint as it really is."""
        found = self.endpoints.get(name)
        return found if found is not None and not found.gone else None

    def models_of(self, config: str) -> set[str]:
        """What an endpoint of this config runs; empty when the config is gone."""
        held = self.configs.get(config)
        return {variant["ModelName"] for variant in held.parameters["ProductionVariants"]} if held else set()

    def artifacts_of(self, config: str) -> set[str]:
        """The archives behind a config, which say of what version it is."""
        found = (self.models.get(name) for name in self.models_of(config))
        return {model.parameters["PrimaryContainer"].get("ModelDataUrl", "") for model in found if model is not None}

    def maintain(self, name: str) -> None:
        """AWS patches the machines of an endpoint that is InService, without being asked."""
        endpoint = self.find(name)
        if endpoint is not None and endpoint.status == "InService":
            self._become(endpoint, "SystemUpdating")
            self._after(endpoint, MAINTENANCE_TAKES, lambda: self._become(endpoint, "InService"))

    def stands(self, name: str, tags: Tags, config: str, captured: str = "") -> None:
        """An endpoint that has served since ever, and keeps what it is asked under `captured`."""
        endpoint = Endpoint(name, tags, 0.0, 0.0, 0.0, config, "InService", config, captured=captured)
        endpoint.views.append((0.0, _described(endpoint)))
        self.endpoints[name] = endpoint

    def scale(self, name: str, variant: str, count: int) -> bool:
        """The scaler's own update of a count; False while the endpoint is busy."""
        endpoint = self.find(name)
        if endpoint is None or endpoint.status in BUSY:
            return False
        self._reweigh({"EndpointName": name, "DesiredWeightsAndCapacities": [{"VariantName": variant, "DesiredInstanceCount": count}]})
        return True

    def _movable(self, endpoint: Endpoint, config: str) -> None:
        """AWS refuses to take a registered variant away or to give it other machines."""
        machines = {item["VariantName"]: item.get("InstanceType") for item in self.configs[config].parameters["ProductionVariants"]}
        held = self.configs.get(endpoint.live or "")
        for item in held.parameters["ProductionVariants"] if held else ():
            variant = item["VariantName"]
            if self.registered(endpoint.name, variant) and machines.get(variant) != item.get("InstanceType"):
                message = f"Variant {variant} is registered with Application Auto Scaling: deregister it before this update."
                raise self._context.refuse("UpdateEndpoint", config, "ValidationException", message)

    def _shown(self, type_: str, held: Mapping[str, Definition], name: str) -> dict[str, Any]:
        """What was asked for, without its tags."""
        found = held.get(name)
        if found is None or self._context.now - found.describe_lag < found.created:
            raise Refused(*_absent(type_, name))
        return {member: value for member, value in found.parameters.items() if member != "Tags"}

    def _define(self, operation: str, type_: str, held: dict[str, Definition], name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if name in held:
            raise self._context.refuse(
                operation, name, "ValidationException", f'Cannot create already existing {WORDS[type_]} "{ARN}:{type_}/{name}".'
            )
        held[name] = Definition(name, _tags(parameters), self._context.now, *self._context.lags(), parameters)
        self._context.accept(operation, name)
        return {}

    def _create_config(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["EndpointConfigName"]
        for variant in parameters["ProductionVariants"]:
            if variant["ModelName"] not in self.models:
                raise self._context.refuse("CreateEndpointConfig", name, *_absent("model", variant["ModelName"]))
        return self._define("CreateEndpointConfig", "endpoint-config", self.configs, name, parameters)

    def _create(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name, config = parameters["EndpointName"], parameters["EndpointConfigName"]
        if self.find(name) is not None:
            message = f'Cannot create already existing endpoint "{ARN}:endpoint/{name}".'
            raise self._context.refuse("CreateEndpoint", name, "ValidationException", message)
        self._startable("CreateEndpoint", name, config)
        endpoint = Endpoint(name, _tags(parameters), self._context.now, *self._context.lags(), config, pending=config)
        self.endpoints[name] = endpoint
        endpoint.variants = self._initial(config)
        self._context.accept("CreateEndpoint", name)
        self._become(endpoint, "Creating")
        self._after(endpoint, CREATE_TAKES, lambda: self._started(endpoint, config))
        return {"EndpointArn": f"{ARN}:endpoint/{name}"}

    def _started(self, endpoint: Endpoint, config: str) -> None:
        if self._alarming(config):
            self._become(endpoint, "Failed", pending=None, reason="The primary container did not pass the ping health check.")
        else:
            self._become(endpoint, "InService", live=config, config=config, pending=None)

    def _update(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name, config = parameters["EndpointName"], parameters["EndpointConfigName"]
        endpoint = self._stable("UpdateEndpoint", name)
        if endpoint.live is None:
            message = f'Cannot update endpoint "{ARN}:endpoint/{name}" in status {endpoint.status}.'
            raise self._context.refuse("UpdateEndpoint", name, "ValidationException", message)
        self._startable("UpdateEndpoint", name, config)
        self._movable(endpoint, config)
        self._context.accept("UpdateEndpoint", config)
        kept = endpoint.variants if parameters.get("RetainAllVariantProperties") else {}
        wanted = {variant: kept.get(variant, numbers) for variant, numbers in self._initial(config).items()}
        self._become(endpoint, "Updating", pending=config)
        self._after(endpoint, UPDATE_TAKES, lambda: self._rolled_out(endpoint, config, wanted))
        return {"EndpointArn": f"{ARN}:endpoint/{name}"}

    def _rolled_out(self, endpoint: Endpoint, config: str, variants: dict[str, tuple[float, int]]) -> None:
        if self._alarming(config):
            self.rollbacks.setdefault(config, self._context.now)
            self._become(endpoint, "RollingBack")
            self._after(endpoint, ROLLBACK_TAKES, lambda: self._become(endpoint, "InService", pending=None))
            return
        endpoint.variants = variants
        self._become(endpoint, "InService", live=config, config=config, pending=None)

    def _reweigh(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["EndpointName"]
        endpoint = self._stable("UpdateEndpointWeightsAndCapacities", name)
        wanted = dict(endpoint.variants)
        for change in parameters["DesiredWeightsAndCapacities"]:
            variant = change["VariantName"]
            if variant not in wanted:
                message = f'The variant name(s) "{variant}" is/are not present within endpoint configuration "{endpoint.live}".'
                raise self._context.refuse("UpdateEndpointWeightsAndCapacities", name, "ValidationException", message)
            weight, count = wanted[variant]
            wanted[variant] = change.get("DesiredWeight", weight), change.get("DesiredInstanceCount", count)
        self._context.accept("UpdateEndpointWeightsAndCapacities", name)
        self._become(endpoint, "Updating")

        def done() -> None:
            endpoint.variants = wanted
            self._become(endpoint, "InService")

        self._after(endpoint, WEIGHTS_TAKE, done)
        return {}

    def _delete(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["EndpointName"]
        endpoint = self._stable("DeleteEndpoint", name)
        self._context.accept("DeleteEndpoint", name)
        self._become(endpoint, "Deleting")

        def gone() -> None:
            endpoint.gone = True
            endpoint.live = endpoint.pending = None
            endpoint.views.append((self._context.now, None))
            self._context.emit(name, "DELETED")

        self._after(endpoint, DELETE_TAKES, gone)
        return {}

    def _drop(self, operation: str, type_: str, held: dict[str, Definition], parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = next(iter(parameters.values()))
        if name not in held:
            raise self._context.refuse(operation, name, *_absent(type_, name))
        del held[name]
        self._context.accept(operation, name)
        return {}

    def _describe(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["EndpointName"]
        endpoint = self.endpoints.get(name)
        seen = self._view(endpoint, endpoint.describe_lag) if endpoint is not None else None
        self._context.looked(name, seen is not None)
        if seen is None:
            raise Refused(*_absent("endpoint", name))
        return seen

    def _list_endpoints(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        seen = [self._view(endpoint, endpoint.list_lag) for endpoint in self.endpoints.values()]
        members = ("EndpointName", "EndpointStatus", "LastModifiedTime")
        return {"Endpoints": [{member: item[member] for member in members} for item in seen if item is not None]}

    def _list(self, word: str, held: Mapping[str, Definition], parameters: Mapping[str, Any]) -> dict[str, Any]:
        wanted, now = parameters.get("NameContains", ""), self._context.now
        return {
            f"{word}s": [{f"{word}Name": name} for name, item in held.items() if wanted in name and now - item.list_lag >= item.created]
        }

    def _view(self, endpoint: Endpoint, lag: float) -> dict[str, Any] | None:
        shown = [view for since, view in endpoint.views if since <= self._context.now - lag]
        return shown[-1] if shown else None

    def _present(self, name: str) -> Endpoint:
        endpoint = self.find(name)
        if endpoint is None or self._view(endpoint, endpoint.describe_lag) is None:
            raise Refused(*_absent("endpoint", name))
        return endpoint

    def _stable(self, operation: str, name: str) -> Endpoint:
        endpoint = self.find(name)
        if endpoint is None:
            raise self._context.refuse(operation, name, *_absent("endpoint", name))
        if endpoint.status in BUSY:
            message = f'Cannot update in-progress endpoint "{ARN}:endpoint/{name}".'
            raise self._context.refuse(operation, name, "ValidationException", message)
        return endpoint

    def _startable(self, operation: str, name: str, config: str) -> None:
        """Config and models are read with a replica's delay: the reference says to Describe the config before CreateEndpoint."""
        held = self.configs.get(config)
        if held is None or self._context.now - held.describe_lag < held.created:
            raise self._context.refuse(operation, name, *_absent("endpoint-config", config))
        for model in sorted(self.models_of(config)):
            if model not in self.models:
                raise self._context.refuse(operation, name, *_absent("model", model))

    def _defined(self, type_: str, held: Mapping[str, Definition], name: str) -> Definition:
        if name not in held:
            raise Refused(*_absent(type_, name))
        return held[name]

    def _initial(self, config: str) -> dict[str, tuple[float, int]]:
        variants = self.configs[config].parameters["ProductionVariants"]
        return {item["VariantName"]: (item["InitialVariantWeight"], item["InitialInstanceCount"]) for item in variants}

    def _alarming(self, config: str) -> bool:
        return any(ALARMING in artifact for artifact in self.artifacts_of(config))

    def _after(self, endpoint: Endpoint, seconds: float, action: Callable[[], None]) -> None:
        change = endpoint.change

        def act() -> None:
            if endpoint.change == change and self.endpoints.get(endpoint.name) is endpoint:
                action()

        self._context.agenda.add(seconds, act)

    def _become(self, endpoint: Endpoint, status: str, **changes: Any) -> None:
        endpoint.status, endpoint.modified, endpoint.change = status, self._context.now, endpoint.change + 1
        for name, value in {"reason": "", **changes}.items():
            setattr(endpoint, name, value)
        endpoint.views.append((self._context.now, _described(endpoint)))
        self._context.emit(endpoint.name, status.upper())


def _described(endpoint: Endpoint) -> dict[str, Any]:
    """The members of DescribeEndpoint. A first config is shown while it is still being started."""
    answer: dict[str, Any] = {
        "EndpointName": endpoint.name,
        "EndpointArn": f"{ARN}:endpoint/{endpoint.name}",
        "EndpointConfigName": endpoint.config,
        "EndpointStatus": endpoint.status,
        "CreationTime": moment(endpoint.created),
        "LastModifiedTime": moment(endpoint.modified),
    }
    if endpoint.captured:
        answer["DataCaptureConfig"] = {"EnableCapture": True, "CaptureStatus": "Started", "DestinationS3Uri": endpoint.captured}
    if endpoint.live is not None:
        answer["ProductionVariants"] = [
            {
                "VariantName": name,
                "DesiredWeight": weight,
                "CurrentWeight": weight,
                "DesiredInstanceCount": count,
                "CurrentInstanceCount": count,
            }
            for name, (weight, count) in endpoint.variants.items()
        ]
    if endpoint.pending is not None:
        answer["PendingDeploymentSummary"] = {"EndpointConfigName": endpoint.pending}
    return answer | ({"FailureReason": endpoint.reason} if endpoint.reason else {})


def _tags(parameters: Mapping[str, Any]) -> Tags:
    return {tag["Key"]: tag["Value"] for tag in parameters.get("Tags", ())}


def _absent(type_: str, name: str) -> tuple[str, str]:
    return "ValidationException", f'Could not find {WORDS[type_]} "{ARN}:{type_}/{name}".'
