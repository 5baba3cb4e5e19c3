"""UpdateEndpointWeightsAndCapacities on its way, and the maintenance that AWS does by itself (SystemUpdating).

Both leave the processes alone: new weights and counts become current after a while of Updating, or the old ones come back
through RollingBack when a failure was scripted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.hosting.deployment import Starters
from local_aws.hosting.endpoint import Endpoint
from local_aws.hosting.fleet import Fleet
from local_aws.hosting.variant import Numbers, Status, Variant
from local_aws.services import Services


class Scaling:
    """One change of weights and counts; `forced` is the reason of a scripted failure."""

    def __init__(self, starters: Starters, endpoint: Endpoint, fleet: Fleet, forced: str | None) -> None:
        self._starters = starters
        self._services: Services = starters.services
        self._endpoint = endpoint
        self._fleet = fleet
        self._forced = forced

    def begin(self, changes: Mapping[str, Numbers]) -> None:
        """Set what is desired. ResourceLimitExceeded, with nothing changed, when the account has too few instances."""
        taken: list[Variant] = []
        try:
            for name, numbers in changes.items():
                variant = self._fleet.variants[name]
                self._fleet.check_scaled(variant, numbers.count)
                taken.append(variant)
        except Exception:
            self._give_back(taken)
            raise
        now = self._services.now()
        with self._endpoint.lock:
            for name, numbers in changes.items():
                variant = self._fleet.variants[name]
                variant.desired = numbers
                variant.status = Status("Updating", _message(variant), now)
        self._endpoint.become("Updating", now)
        done = self._fail if self._forced is not None else self._apply
        self._starters.after(self._services.world.settings["endpoints.updatingSeconds"], done)

    def _apply(self) -> None:
        with self._endpoint.lock:
            for variant in self._fleet.variants.values():
                self._fleet.settle(variant, variant.desired)
                variant.status = None
            self._endpoint.become("InService", self._services.now())

    def _fail(self) -> None:
        self._endpoint.become("RollingBack", self._services.now())
        self._starters.after(self._services.world.settings["endpoints.rollingBackSeconds"], self._rolled_back)

    def _rolled_back(self) -> None:
        variants = list(self._fleet.variants.values())
        with self._endpoint.lock:
            for variant in variants:
                variant.desired = variant.current.copy()
                variant.status = None
            self._give_back(variants)
            self._endpoint.become("InService", self._services.now(), self._forced)

    def _give_back(self, variants: list[Variant]) -> None:
        for variant in variants:
            self._fleet.check_scaled(variant, variant.current.count)


def _message(variant: Variant) -> str:
    if variant.desired.count > variant.current.count:
        return f"Scaling out desired instance count to {variant.desired.count}."
    if variant.desired.count < variant.current.count:
        return f"Scaling in desired instance count to {variant.desired.count}."
    return f"Updating desired weight to {variant.desired.weight}."


def wanted(fleet: Fleet, requested: list[Mapping[str, Any]]) -> dict[str, Numbers]:
    """The numbers that DesiredWeightsAndCapacities asks for, by variant; what it does not name stays as desired."""
    found: dict[str, Numbers] = {}
    for change in requested:
        now = fleet.variants[change["VariantName"]].desired
        serverless = now.serverless
        if serverless is not None and "ServerlessUpdateConfig" in change:
            serverless = {**serverless, **change["ServerlessUpdateConfig"]}
        numbers = Numbers(change.get("DesiredWeight", now.weight), change.get("DesiredInstanceCount", now.count), serverless)
        found[change["VariantName"]] = numbers
    return found


def maintain(starters: Starters, endpoint: Endpoint) -> None:
    """SystemUpdating for a while, then InService; nothing else changes."""
    endpoint.become("SystemUpdating", starters.services.now())
    seconds = starters.services.world.settings["endpoints.systemUpdatingSeconds"]
    starters.after(seconds, lambda: endpoint.become("InService", starters.services.now()))
