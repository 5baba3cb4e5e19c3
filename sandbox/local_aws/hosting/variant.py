"""One production variant of a fleet: its containers' processes, its weight and its counts, as requested and as they are.

However many instances a variant has, here one process per container serves it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local_aws.hosting.container import Container
from local_aws.hosting.model_server import ModelServer
from local_aws.hosting.on_demand import OnDemand


@dataclass(slots=True)
class Numbers:
    """What UpdateEndpointWeightsAndCapacities and auto scaling change; `serverless` is None for a variant on instances."""

    weight: float
    count: int
    serverless: Mapping[str, int] | None

    def copy(self) -> Numbers:
        return Numbers(self.weight, self.count, self.serverless)


@dataclass(frozen=True, slots=True)
class Status:
    """An entry of VariantStatus: `status` is Creating, Updating, Deleting, ActivatingTraffic or Baking."""

    status: str
    message: str
    since: datetime

    def as_json(self) -> dict[str, Any]:
        return {"Status": self.status, "StatusMessage": self.message, "StartTime": self.since}


class Variant:
    """`request` is a ProductionVariant of the endpoint configuration named `config`; `direct` sends a request to one container."""

    def __init__(
        self, config: str, request: Mapping[str, Any], servers: Sequence[ModelServer], resolved: datetime, *, direct: bool = False
    ) -> None:
        self.name: str = request["VariantName"]
        self.config = config
        self.request = request
        self.servers = servers
        self.direct = direct
        self.desired = Numbers(request["InitialVariantWeight"], request.get("InitialInstanceCount", 0), request.get("ServerlessConfig"))
        self.current = self.desired.copy()
        self.status: Status | None = None
        self.on_demand: OnDemand | None = None
        self._images = [_deployed(server.container, resolved) for server in servers]

    @property
    def instance_type(self) -> str | None:
        """None for a serverless variant."""
        found: str | None = self.request.get("InstanceType")
        return found

    @property
    def role(self) -> str | None:
        """The model's execution role."""
        return self.servers[0].container.role

    def server(self, hostname: str | None) -> Sequence[ModelServer]:
        """The containers that a request goes through; empty when `hostname` does not fit: Direct needs one that exists,
        Serial none.
        """
        if not self.direct:
            return self.servers if hostname is None else ()
        return [server for server in self.servers if server.container.name == hostname]

    def admit(self) -> AbstractContextManager[None]:
        """Around each invocation. ThrottlingException when a serverless variant has as many as it may."""
        return contextlib.nullcontext() if self.on_demand is None else self.on_demand.request()

    def serverless(self) -> Mapping[str, int]:
        """The ServerlessConfig in force; empty for a variant on instances."""
        return self.current.serverless or {}

    def summary(self, share: float = 1.0, *, pending: bool = False) -> dict[str, Any]:
        """ProductionVariantSummary; `share` is the part of the instances that count as current (a rolling update)."""
        summary: dict[str, Any] = {
            "VariantName": self.name,
            "DeployedImages": self._images,
            "CurrentWeight": self.current.weight,
            "DesiredWeight": self.desired.weight,
            "CurrentInstanceCount": math.ceil(self.current.count * share - 1e-9),
        }
        if self.desired.serverless is None:
            summary["DesiredInstanceCount"] = self.desired.count
        else:
            summary["CurrentServerlessConfig"] = dict(self.current.serverless or self.desired.serverless)
            summary["DesiredServerlessConfig"] = dict(self.desired.serverless)
        if self.desired == self.current:
            summary.pop("DesiredServerlessConfig", None)
        for member in ("RoutingConfig", "ManagedInstanceScaling", *(("InstanceType", "AcceleratorType") if pending else ())):
            if member in self.request:
                summary[member] = self.request[member]
        if self.status is not None:
            summary["VariantStatus"] = [self.status.as_json()]
        return summary


def _deployed(container: Container, resolved: datetime) -> dict[str, Any]:
    return {"SpecifiedImage": container.image, "ResolvedImage": container.resolved_image, "ResolutionTime": resolved}
