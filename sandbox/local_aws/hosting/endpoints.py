"""Endpoints: Create, Describe, List, Update, UpdateWeightsAndCapacities, Delete, with AWS's refusals.

Names are unique without regard to case. Scripted failures (`/_local/faults/jobs`) of kind "Endpoint" fail the next creation,
update or scaling of a matching endpoint with that reason; of kind "EndpointSystemUpdate" they put it into SystemUpdating at its
next Describe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from local_aws.hosting import config_check, rollout, scalable, scaling, watch, words
from local_aws.hosting import fleet as fleets
from local_aws.hosting.configs import EndpointConfigs
from local_aws.hosting.deployment import Deployment, Starters
from local_aws.hosting.endpoint import BUSY, Endpoint, Pending
from local_aws.hosting.fleet import Fleet
from local_aws.hosting.variant import Numbers
from local_aws.sagemaker import store, tags
from local_aws.sagemaker.models import Models
from local_aws.sagemaker.training import PRINCIPAL
from local_aws.sagemaker.words import role_not_assumable, validation
from local_aws.service import Call, Operations

_FAILURE: Final = "Endpoint"
_MAINTENANCE: Final = "EndpointSystemUpdate"


class Endpoints:
    """All endpoints of one world; `watchers` are told of every change and must return at once."""

    def __init__(self, starters: Starters, tag_store: tags.Tags, models: Models, configs: EndpointConfigs) -> None:
        self._starters = starters
        self._services = starters.services
        self._tags = tag_store
        self._models = models
        self._configs = configs
        self.watchers: list[Callable[[Endpoint], None]] = []
        self._endpoints: store.Store[Endpoint] = store.Store(
            lambda name: words.endpoint_absent(self._arn(name)), lambda endpoint: words.endpoint_taken(endpoint.arn)
        )
        tag_store.register("endpoint", self.get)

    def operations(self) -> Operations:
        return {
            ("sagemaker", "CreateEndpoint"): self.create,
            ("sagemaker", "DescribeEndpoint"): self.describe,
            ("sagemaker", "ListEndpoints"): self.list,
            ("sagemaker", "UpdateEndpoint"): self.update,
            ("sagemaker", "UpdateEndpointWeightsAndCapacities"): self.scale,
            ("sagemaker", "DeleteEndpoint"): self.delete,
        }

    def get(self, name: str) -> Endpoint:
        """The endpoint of that name; AWS's ValidationException when there is none."""
        return self._endpoints.get(name.lower())

    def find(self, name: str) -> Endpoint | None:
        """The endpoint of exactly that name: the runtime, unlike the control plane, respects case."""
        found = self._endpoints.find(name.lower())
        return found if found is not None and found.title == name else None

    def all(self) -> list[Endpoint]:
        return self._endpoints.records()

    def close(self) -> None:
        """Stop what runs, so that no container is taken for one that died."""
        for endpoint in self.all():
            for fleet in endpoint.fleets():
                fleet.kill()

    def create(self, call: Call) -> dict[str, Any]:
        request, name = call.params, call.params["EndpointName"]
        wanted = tags.requested(request.get("Tags"))
        self._endpoints.check_free(name.lower())
        fleet = self._fleet(request["EndpointConfigName"], name)
        _plan(request.get("DeploymentConfig"), fleet)
        fleet.reserve()
        endpoint = Endpoint(self._arn(name), request, fleet, self._services.now(), self._changed)
        try:
            self._endpoints.add(endpoint)
        except Exception:
            fleet.stop()
            raise
        self._tags.put(endpoint.arn, wanted)
        self._changed(endpoint, "SageMaker Endpoint State Change")
        plan = rollout.plan(None, ())
        Deployment(self._starters, endpoint, plan, endpoint.capture, self._forced(name)).begin()
        return {"EndpointArn": endpoint.arn}

    def describe(self, call: Call) -> dict[str, Any]:
        endpoint = self.get(call.params["EndpointName"])
        faults = self._services.world.faults
        if endpoint.status == "InService" and faults.next_job_failure(_MAINTENANCE, endpoint.title) is not None:
            scaling.maintain(self._starters, endpoint)
        return endpoint.describe()

    def list(self, call: Call) -> dict[str, Any]:
        entries = self._endpoints.visible(self._services.now(), self._services.world.faults.list_lag)
        return store.page(entries, call.params, default_order="Descending").answer("Endpoints")

    def update(self, call: Call) -> dict[str, Any]:
        request = call.params
        endpoint = self._stable(request["EndpointName"])
        fleet = self._fleet(request["EndpointConfigName"], endpoint.title)
        # Before the lock is taken: other services are asked, and they ask for endpoints.
        scalable.check_update(self._services.world, endpoint.title, self._live(endpoint), fleet)
        config = endpoint.last_deployment if request.get("RetainDeploymentConfig") else request.get("DeploymentConfig")
        roles = [variant.role for variant in fleet.variants.values() if variant.role is not None]
        watch.check(self._services.world, rollout.alarms(config), roles)
        with endpoint.lock:
            old = self._live(endpoint)
            capture = _retain(request, endpoint, old, fleet)
            config_check.check_update(old.config.body, fleet.config.body, config)
            plan = _plan(config, fleet)
            fleet.reserve()
            endpoint.pending = Pending(fleet, self._services.now(), rolling=plan.rolling)
            endpoint.last_deployment = config or endpoint.last_deployment
            endpoint.become("Updating", self._services.now())
        Deployment(self._starters, endpoint, plan, capture, self._forced(endpoint.title)).begin()
        return {"EndpointArn": endpoint.arn}

    def scale(self, call: Call) -> dict[str, Any]:
        endpoint = self._stable(call.params["EndpointName"])
        requested = call.params["DesiredWeightsAndCapacities"]
        with endpoint.lock:
            fleet = self._live(endpoint)
            _check_scaling(fleet, requested)
            forced = self._forced(endpoint.title)
            scaling.Scaling(self._starters, endpoint, fleet, forced).begin(scaling.wanted(fleet, requested))
        return {"EndpointArn": endpoint.arn}

    def delete(self, call: Call) -> dict[str, Any]:
        endpoint = self._stable(call.params["EndpointName"])
        scalable.release(self._services.world, call.caller, endpoint.title, endpoint.live)
        with endpoint.lock:
            self._not_busy(endpoint)
            endpoint.become("Deleting", self._services.now())
        self._starters.after(self._services.world.settings["endpoints.deletingSeconds"], lambda: self._gone(endpoint))
        return {}

    def _gone(self, endpoint: Endpoint) -> None:
        if endpoint.live is not None:
            endpoint.live.stop()
        self._endpoints.remove(endpoint.name, self._services.now())
        self._tags.drop(endpoint.arn)

    def _stable(self, name: str) -> Endpoint:
        endpoint = self.get(name)
        self._not_busy(endpoint)
        return endpoint

    def _not_busy(self, endpoint: Endpoint) -> None:
        if endpoint.status in BUSY:
            raise words.in_progress(endpoint.arn)

    def _live(self, endpoint: Endpoint) -> Fleet:
        """The fleet to be changed, whose configuration AWS wants to be still there; asked again under the endpoint's lock."""
        self._not_busy(endpoint)
        if endpoint.live is None:
            raise validation(f'Cannot update endpoint "{endpoint.arn}" in status {endpoint.status}; delete it and create it anew.')
        self._configs.get(endpoint.config_name)
        return endpoint.live

    def _fleet(self, config_name: str, endpoint: str) -> Fleet:
        fleet = fleets.build(self._services, self._models, self._configs.get(config_name), endpoint)
        for variant in fleet.variants.values():
            if variant.role is not None and not self._services.world.identity.service_may_assume(variant.role, PRINCIPAL):
                raise role_not_assumable(variant.role)
        return fleet

    def _forced(self, name: str) -> str | None:
        failure = self._services.world.faults.next_job_failure(_FAILURE, name)
        return None if failure is None else failure.reason

    def _arn(self, name: str) -> str:
        world = self._services.world
        return f"arn:aws:sagemaker:{world.region}:{world.account}:endpoint/{name.lower()}"

    def _changed(self, endpoint: Endpoint, detail_type: str) -> None:
        detail = endpoint.detail(self._tags.get(endpoint.arn))
        self._services.events.publish("aws.sagemaker", detail_type, [endpoint.arn], detail)
        for watcher in self.watchers:
            watcher(endpoint)


def _plan(config: Mapping[str, Any] | None, fleet: Fleet) -> rollout.Rollout:
    return rollout.plan(config, [variant.desired.count for variant in fleet.variants.values() if variant.instance_type is not None])


def _retain(request: Mapping[str, Any], endpoint: Endpoint, old: Fleet, new: Fleet) -> Mapping[str, Any] | None:
    """Carry weights and counts over to the new fleet as RetainAllVariantProperties asks; the data capture to be in force."""
    capture: Mapping[str, Any] | None = new.config.body.get("DataCaptureConfig")
    if not request.get("RetainAllVariantProperties"):
        return capture
    excluded = {each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties", ())}
    for name in new.variants.keys() & old.variants.keys():
        before, variant = old.variants[name].desired, new.variants[name]
        weight = variant.desired.weight if "DesiredWeight" in excluded else before.weight
        on_instances = variant.instance_type is not None and before.serverless is None
        count = before.count if on_instances and "DesiredInstanceCount" not in excluded else variant.desired.count
        variant.desired = Numbers(weight, count, variant.desired.serverless)
        variant.current = variant.desired.copy()
    return capture if "DataCaptureConfig" in excluded else endpoint.capture


def _check_scaling(fleet: Fleet, requested: list[Mapping[str, Any]]) -> None:
    names = [change["VariantName"] for change in requested]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise validation(f'The variant name "{twice[0]}" was non-unique within the request.')
    absent = [name for name in names if name not in fleet.variants]
    if absent:
        raise words.variants_absent(absent, fleet.config.title)
    for change in requested:
        variant = fleet.variants[change["VariantName"]]
        count = change.get("DesiredInstanceCount")
        if count is not None and variant.instance_type is None:
            raise validation(f"DesiredInstanceCount is not allowed for serverless production variant {variant.name}.")
        if count == 0 and "AsyncInferenceConfig" not in fleet.config.body:
            raise validation(f"DesiredInstanceCount of production variant {variant.name} must be at least 1.")
        if "ServerlessUpdateConfig" in change and variant.instance_type is not None:
            raise validation(f"ServerlessUpdateConfig is not allowed for production variant {variant.name}, which runs on instances.")
