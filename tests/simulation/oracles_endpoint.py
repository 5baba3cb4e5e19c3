"""What has to be true of a ModelEndpoint: what serves is never lost, what is in use never deleted, and a bad version never asked for twice.

Judged at AWS and in the moment in which the operator asks, with nothing taken from the operator's own rules but its tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sagemaker_gitops.core.naming import TAG_INSTALL, TAG_NAME
from tests.simulation.aws_hosting import Definition, Endpoint
from tests.simulation.process import INSTALL
from tests.simulation.replica import DRIFT_INTERVAL

if TYPE_CHECKING:
    from tests.simulation.world import World

RESTING = ("InService", "RolledBack", "AwaitingApproval", "Failed")
QUIET = 2 * DRIFT_INTERVAL + 60.0  # seconds in which everything that sent no event has been found
PASS = 40.0  # calls: what a pass may still not know
LOOP = 3  # requests that a second operator, of which the first knows nothing, may make in vain
DEFAULT_LIMIT = 3  # api.md: rollback.historyLimit


class EndpointOracle:
    """scenario.KindOracle."""

    def settled(self, world: World, body: Mapping[str, Any]) -> bool:
        status, metadata = body.get("status") or {}, body["metadata"]
        return (
            "deletionTimestamp" not in metadata
            and status.get("phase") in RESTING
            and status.get("observedGeneration") == metadata["generation"]
            and world.clock.seconds > world.last_trouble + QUIET
        )

    def end_of(self, world: World) -> dict[str, Any]:
        body = world.kube.objects.get(world.key)
        end: dict[str, Any] = {"aws": [(item.name, item.status, item.live, item.variants) for item in _ours(world)]}
        end["attached"] = sorted([*world.scaling.targets, *world.scaling.policies, *world.cloudwatch.alarms])
        if body is None:
            return end
        status = body.get("status") or {}
        ready = next(((item["status"], item["reason"]) for item in status.get("conditions", ()) if item["type"] == "Ready"), None)
        if ready == ("False", "AwaitingApproval"):
            return end | {"ready": ready}  # whether status still knows what served before depends on what it went through
        return end | {
            "phase": status.get("phase"),
            "live": (status.get("live"), (status.get("lastGood") or {}).get("config")) if status["phase"] == "InService" else None,
            "variants": [(item["name"], item["model"], item["weight"]) for item in status.get("variants", ())],
            "ready": ready,
        }

    def requested(self, world: World, operation: str, parameters: Mapping[str, Any]) -> None:
        match operation:
            case "CreateEndpoint" | "UpdateEndpoint":
                self._may_serve(world, operation, parameters["EndpointConfigName"])
            case "DeleteEndpoint":
                self._may_end(world, parameters["EndpointName"])
            case "DeleteEndpointConfig" | "DeleteModel":
                self._may_go(world, operation, next(iter(parameters.values())))
            case _:
                pass

    def check_removal(self, world: World, body: Mapping[str, Any]) -> None:
        """Retain leaves everything as it is; Delete leaves nothing, not even what is still on its way."""
        if body["spec"].get("deletionPolicy") != "Delete":
            return
        left = [endpoint.name for endpoint in _ours(world)]
        left += [item.name for what in ("configs", "models") for item in _owned(world, what)]
        left += [*world.scaling.targets, *(name for name, alarm in world.cloudwatch.alarms.items() if alarm.get("Tags"))]
        if left or world.aws.pending:
            world.violations.append(f"O2: the object went while {left} was there and {world.aws.pending} calls on their way")

    def orphans(self, world: World) -> list[str]:
        """Earlier configs up to the limit, and one that was tried in vain; no model without a config."""
        body = world.kube.objects.get(world.key)
        configs, models = _owned(world, "configs"), _owned(world, "models")
        found = []
        if body is not None:
            serving = {config for endpoint in _ours(world) for config in endpoint.uses}
            limit = body["spec"].get("rollback", {}).get("historyLimit", DEFAULT_LIMIT) + (body["status"]["phase"] != "InService")
            older = [item.name for item in configs if item.name not in serving]
            if len(older) > limit:
                found.append(f"O2: {older} are kept beside {serving}, {limit} may be")
            used = {model for item in configs for model in world.hosting.models_of(item.name)}
            if lost := [item.name for item in models if item.name not in used]:
                found.append(f"O2: no config uses {lost}")
        return found

    def _may_serve(self, world: World, operation: str, config: str) -> None:
        rolled_back = world.hosting.rollbacks.get(config)
        if rolled_back is not None and not any(at >= rolled_back for at in world.losses):
            world.asked_again += 1
            if world.asked_again > LOOP * (world.schedule.operators - 1):
                world.violations.append(f"O8: {operation} asks again for {config}, which AWS rolled back")
        known_before = world.clock.seconds - world.schedule.latency * PASS - 1.0
        for artifact in world.hosting.artifacts_of(config):
            for package in world.registry.packages.values():
                ours = package.parameters["InferenceSpecification"]["Containers"][0]["ModelDataUrl"] == artifact
                if ours and package.parameters["ModelApprovalStatus"] != "Approved" and package.changed < known_before:
                    world.violations.append(f"O8: {operation} asks for {package.arn}, which is not approved")

    def _may_end(self, world: World, name: str) -> None:
        endpoint = world.hosting.find(name)
        if endpoint is not None and (not _is_ours(world, endpoint) or (endpoint.live is not None and not self._ends(world))):
            world.violations.append(f"O8: DeleteEndpoint of {name}, which serves {endpoint.live}")

    def _ends(self, world: World) -> bool:
        """Whether somebody has deleted the object and wants everything to go with it."""
        body = world.kube.objects.get(world.key)
        return body is not None and "deletionTimestamp" in body["metadata"] and body["spec"].get("deletionPolicy") == "Delete"

    def _may_go(self, world: World, operation: str, name: str) -> None:
        held: Definition | None = (world.hosting.configs if operation == "DeleteEndpointConfig" else world.hosting.models).get(name)
        if held is not None and not _is_ours(world, held):
            world.violations.append(f"O8: {operation} of {name}, which is somebody else's")
        for endpoint in world.hosting.endpoints.values():
            if endpoint.live is None and self._ends(world):
                continue
            for config in endpoint.uses:
                if not endpoint.gone and (name == config or name in world.hosting.models_of(config)):
                    world.violations.append(f"O8: {operation} of {name}, which {endpoint.name} uses ({endpoint.status})")


def _is_ours(world: World, item: Endpoint | Definition) -> bool:
    return item.tags.get(TAG_INSTALL) == INSTALL and item.tags.get(TAG_NAME) == world.key.name


def _ours(world: World) -> list[Endpoint]:
    return [endpoint for endpoint in world.hosting.endpoints.values() if not endpoint.gone and _is_ours(world, endpoint)]


def _owned(world: World, what: str) -> list[Definition]:
    held: Mapping[str, Definition] = getattr(world.hosting, what)
    return [item for item in held.values() if _is_ours(world, item)]
