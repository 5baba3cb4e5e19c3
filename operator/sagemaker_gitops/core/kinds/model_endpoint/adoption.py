"""An endpoint that exists under our name with other tags: taken over when the spec names it and its tags allow it, refused otherwise.

Tags decide who manages an endpoint, so taking over is setting them. Each object takes over once: two clusters with the same manifest
would otherwise take the endpoint from each other for ever. What was not made here is never deleted. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagemaker_gitops.api.endpoint_upkeep import DEFAULT_ADOPT_POLICY
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.conditions import reconciling, stalled, timestamp
from sagemaker_gitops.core.kinds.model_endpoint.facts import Alias, EndpointState, ForeignEndpoint, LiveEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.requests import create_config, create_models
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, before_us, build_serving
from sagemaker_gitops.core.plan import After, Plan

RETRY_DELAY, BUSY_DELAY = 300.0, 30.0
_OBJECT_TAGS = (naming.TAG_NAMESPACE, naming.TAG_NAME, naming.TAG_KIND)


def name_taken(here: Pass) -> Plan | None:
    """The check: nothing of somebody else's is touched; what may be adopted is."""
    found = here.facts.endpoint
    if not isinstance(found, ForeignEndpoint):
        return None
    serving = build_serving(here)
    refusal = _refusal(here, serving, found)
    if refusal is not None:
        message = f"{serving.endpoint_name} exists and belongs to {found.owner}: {refusal}"
        return Plan(here.say("Failed", stalled("NameConflict", message)), After(RETRY_DELAY), finalizer=here.snapshot.has_finalizer)
    return _adopt(here, serving, found)


def _refusal(here: Pass, serving: Serving, found: ForeignEndpoint) -> str | None:
    """Why it is not taken over, with the way to do it; None when it may be."""
    wanted = naming.owner_tags(serving.install, serving.owner, step="", key="", attempt=1, revision="")
    other = [tag for tag in _OBJECT_TAGS if found.tags.get(tag, wanted[tag]) != wanted[tag]]
    same = all(tag in found.tags for tag in _OBJECT_TAGS) and not other
    policy = here.spec.adopt or DEFAULT_ADOPT_POLICY
    if _managed_before(here):
        return f"this object has managed it, and does no more: give its tags {', '.join(naming.OWNER_TAGS)} back, or delete this object"
    if other:
        return f"its tags name another object: remove its tags {', '.join(naming.OWNER_TAGS)} to hand it over"
    if policy == "Never":
        return "adopt is Never: delete it, or choose another name"
    if here.spec.endpoint_name is None:
        return f"to adopt it, write endpointName: {serving.endpoint_name}" + ("" if same else " and adopt: Always")
    if policy == "IfOurs" and not same:
        return "to adopt it, write adopt: Always"
    if found.live is None or found.live.state is EndpointState.FAILED:
        return "it does not serve, so there is nothing to adopt: delete it"
    return None


def _managed_before(here: Pass) -> bool:
    adoption = adoption_of(here.snapshot.status)
    return bool(adoption.get("taken")) if adoption else bool(here.snapshot.status.get("lastGood"))


def _adopt(here: Pass, serving: Serving, found: ForeignEndpoint) -> Plan:
    """First the intent with what serves now, so that it can be gone back to whatever happens; then the tags."""
    live, name = found.live, serving.endpoint_name
    assert live is not None, "_refusal has looked"
    summary = reconciling("Adopting", f"{name} of {found.owner}")
    if live.state is not EndpointState.IN_SERVICE:
        return Plan(here.say("Adopting", reconciling("Adopting", f"waiting: {name} is {live.raw}")), After(BUSY_DELAY))
    adoption = adoption_of(here.snapshot.status)
    if adoption.get("from") != found.owner or adoption.get("config") != live.config:
        ours = all(tag in found.tags for tag in _OBJECT_TAGS)
        intent = {"from": found.owner, "config": live.config, "at": timestamp(here.now), "foreign": not ours}
        return Plan(here.say("Adopting", summary, adoption=intent, lastGood=before_us(live.config)), After(0.0))
    tags = naming.owner_tags(serving.install, serving.owner, step="endpoint", key=name, attempt=1, revision="")
    tags |= {naming.TAG_ADOPTED: "true"} if adoption.get("foreign") else {}
    listed = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
    request = AwsRequest("sagemaker", "AddTags", name, {"ResourceArn": here.place()["arn"], "Tags": listed})
    return Plan(here.say("Adopting", summary, adoption={**adoption, "taken": True}), After(0.0), (request,))


def adoption_of(status: Mapping[str, Any]) -> Mapping[str, Any]:
    found = status.get("adoption")
    return found if isinstance(found, Mapping) else {}


def owned(here: Pass) -> Pass:
    """The tags name us, so an adoption that was meant has been done, also if its status was not written any more."""
    status = here.snapshot.status
    if not adoption_of(status) or adoption_of(status).get("taken") or not isinstance(here.facts.endpoint, LiveEndpoint):
        return here
    return replace(here, snapshot=replace(here.snapshot, status={**status, "adoption": {**adoption_of(status), "taken": True}}))


def keeps(status: Mapping[str, Any]) -> bool:
    """Whether the endpoint was made by somebody else: then it is never deleted."""
    return bool(adoption_of(status).get("foreign"))


def equal_config(serving: Serving, config: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> Alias | None:
    """Whether the described config and its models (by name) have the wanted content under other names; weights and counts aside."""
    wanted = create_config(serving).parameters
    given = {item["VariantName"]: item for item in config.get("ProductionVariants", ())}
    if set(given) != {item["VariantName"] for item in wanted["ProductionVariants"]}:
        return None
    if not _equal(_plain(config, _CONFIG_NAMES), _plain(wanted, _CONFIG_NAMES)):
        return None
    wanted_models = {item.subject: item.parameters for item in create_models(serving)}
    for item in wanted["ProductionVariants"]:
        theirs = given[item["VariantName"]]
        if not _equal(_plain(theirs, _VARIANT_NAMES), _plain(item, _VARIANT_NAMES)):
            return None
        if not _same_model(models.get(theirs["ModelName"], {}), wanted_models[item["ModelName"]]):
            return None
    return Alias(str(config["EndpointConfigName"]), {name: str(item["ModelName"]) for name, item in given.items()})


_CONFIG_NAMES = ("EndpointConfigName", "EndpointConfigArn", "CreationTime", "ProductionVariants", "Tags", "ResponseMetadata")
_VARIANT_NAMES = ("ModelName", "InitialInstanceCount", "InitialVariantWeight")
_MODEL_NAMES = ("ModelName", "ModelArn", "CreationTime", "Tags", "ResponseMetadata", "DeploymentRecommendation")


def _same_model(theirs: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return _equal(_plain(theirs, _MODEL_NAMES), _plain(wanted, _MODEL_NAMES))


def _plain(described: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {member: value for member, value in described.items() if member not in names}


_DEFAULTS = {"Mode": "SingleModel"}
_DERIVED = ("ModelDataSource", "CaptureContentTypeHeader")  # AWS says them in answers though nobody gave them


def _equal(theirs: Any, wanted: Any) -> bool:
    """Whether a description says what a request asks for; empty and left out are the same."""
    if isinstance(theirs, Mapping) and isinstance(wanted, Mapping):
        members = [member for member in theirs.keys() | wanted.keys() if member in wanted or member not in _DERIVED]
        return all(_equal(*(side.get(member, _DEFAULTS.get(member)) for side in (theirs, wanted))) for member in members)
    return bool(theirs == wanted or (not theirs and not wanted))
