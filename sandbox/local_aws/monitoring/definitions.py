"""Job definitions of the four kinds: Create, Describe, List, Delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local_aws.monitoring import words
from local_aws.monitoring.plan import KINDS, Plan, of_definition
from local_aws.permissions import check_pass_role
from local_aws.sagemaker import store, tags
from local_aws.sagemaker.words import role_not_assumable
from local_aws.service import Call, Caller, Handler, Operations
from local_aws.services import Services
from local_aws.world import World

PRINCIPAL = "sagemaker.amazonaws.com"
_RESOURCES = {
    "DataQuality": "data-quality-job-definition",
    "ModelQuality": "model-quality-job-definition",
    "ModelBias": "model-bias-job-definition",
    "ModelExplainability": "model-explainability-job-definition",
}


class Definition:
    """One job definition; it never changes."""

    def __init__(self, kind: str, arn: str, request: Mapping[str, Any], now: datetime) -> None:
        self.name: str = request["JobDefinitionName"]
        self.arn = arn
        self.plan: Plan = of_definition(kind, request)
        shown = {name: value for name, value in request.items() if name != "Tags"}
        self.body: Mapping[str, Any] = {**shown, "JobDefinitionArn": arn, "CreationTime": now}
        summary = {
            "MonitoringJobDefinitionName": self.name,
            "MonitoringJobDefinitionArn": arn,
            "CreationTime": now,
            "EndpointName": self.plan.endpoint,
        }
        self.summaries = [store.Summary(self.name, now, now, "", summary)]


class Definitions:
    """All job definitions of one world, by kind and name."""

    def __init__(self, services: Services, tag_store: tags.Tags) -> None:
        self._services = services
        self._tags = tag_store
        self._stores = {kind: self._store(kind) for kind in KINDS}

    def operations(self) -> Operations:
        found: Operations = {}
        for kind in KINDS:
            found["sagemaker", f"Create{kind}JobDefinition"] = self._of(kind, self.create)
            found["sagemaker", f"Describe{kind}JobDefinition"] = self._of(kind, self.describe)
            found["sagemaker", f"List{kind}JobDefinitions"] = self._of(kind, self.list)
            found["sagemaker", f"Delete{kind}JobDefinition"] = self._of(kind, self.delete)
        return found

    def get(self, kind: str, name: str) -> Definition:
        return self._stores[kind].get(name)

    def create(self, kind: str, call: Call) -> dict[str, Any]:
        check_open(self._services.world, call.operation)
        request = call.params
        check_input(request[f"{kind}JobInput"], f"{kind}JobInput")
        check_role(self._services.world, call.caller, request["RoleArn"])
        wanted = tags.requested(request.get("Tags"))
        found = Definition(kind, self._arn(kind, request["JobDefinitionName"]), request, self._services.now())
        self._stores[kind].add(found)
        self._tags.put(found.arn, wanted)
        return {"JobDefinitionArn": found.arn}

    def describe(self, kind: str, call: Call) -> dict[str, Any]:
        return dict(self.get(kind, call.params["JobDefinitionName"]).body)

    def list(self, kind: str, call: Call) -> dict[str, Any]:
        endpoint = call.params.get("EndpointName")
        entries = self._stores[kind].visible(self._services.now(), self._services.world.faults.list_lag)
        found = store.page(
            entries, call.params, default_order="Descending", keep=lambda each: endpoint in (None, each.body["EndpointName"])
        )
        return found.answer("JobDefinitionSummaries")

    def delete(self, kind: str, call: Call) -> dict[str, Any]:
        """A schedule that refers to it fails from its next execution on."""
        name = call.params["JobDefinitionName"]
        self._stores[kind].remove(name, self._services.now())
        self._tags.drop(self._arn(kind, name))
        return {}

    def _store(self, kind: str) -> store.Store[Definition]:
        found: store.Store[Definition] = store.Store(
            lambda name: words.definition_absent(self._arn(kind, name)), lambda each: words.definition_taken(each.arn)
        )
        self._tags.register(_RESOURCES[kind], found.get)
        return found

    def _arn(self, kind: str, name: str) -> str:
        world = self._services.world
        return f"arn:aws:sagemaker:{world.region}:{world.account}:{_RESOURCES[kind]}/{name}"

    @staticmethod
    def _of(kind: str, handler: Callable[[str, Call], dict[str, Any]]) -> Handler:
        return lambda call: handler(kind, call)


def check_open(world: World, operation: str) -> None:
    """Refuse what creates something in an account without Model Monitor."""
    if not world.settings["monitoring.open"]:
        raise words.closed(operation, world.account)


def check_input(given: Mapping[str, Any], path: str) -> None:
    """One input, of an endpoint: batch transform captures nothing in this local AWS."""
    if ("EndpointInput" in given) == ("BatchTransformInput" in given):
        raise words.one_of(f"{path}.EndpointInput", f"{path}.BatchTransformInput")
    if "BatchTransformInput" in given:
        raise words.unsupported(f"{path}.BatchTransformInput")
    if given["EndpointInput"].get("S3InputMode") == "Pipe":
        raise words.unsupported(f"{path}.EndpointInput.S3InputMode Pipe")


def check_role(world: World, caller: Caller, role: str) -> None:
    """Refuse a role that the caller may not pass or SageMaker may not assume."""
    check_pass_role(world, caller, role)
    if not world.identity.service_may_assume(role, PRINCIPAL):
        raise role_not_assumable(role)
