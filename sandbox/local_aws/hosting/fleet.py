"""The variants of one deployed endpoint configuration: started together, stopped together, paid for while they run.

An endpoint serves from one fleet; while it is updated it has a second one (blue and green in AWS's guide).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from local_aws.hosting import container as containers
from local_aws.hosting import words
from local_aws.hosting.configs import EndpointConfig
from local_aws.hosting.model_server import LOG_GROUP, ModelServer, Place
from local_aws.hosting.on_demand import OnDemand
from local_aws.hosting.variant import Numbers, Variant
from local_aws.sagemaker.models import Models
from local_aws.services import Services

_numbers: Final = itertools.count(1)


class Fleet:
    """What runs for one endpoint configuration; `config` stays readable after its deletion."""

    def __init__(self, services: Services, config: EndpointConfig, variants: Mapping[str, Variant], endpoint: str) -> None:
        self._services = services
        self.config = config
        self.variants = variants
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._leases = 0
        self._draining = False
        self._paid_until: dict[str, float] = {}
        self._reserved: dict[str, int] = {}

    def reserve(self) -> None:
        """Take the instances from the account's quotas, all or none. ResourceLimitExceeded in AWS's words."""
        try:
            for variant in self.variants.values():
                self._reserve(variant, variant.desired.count)
        except Exception:
            self._release()
            raise

    def start(self) -> None:
        """Start every process and wait until all serve. StartError with the first failure; then `stop` it."""
        if not self._services.world.settings["endpoints.startServers"]:
            self._begin_paying()
            return
        servers = [server for variant in self.variants.values() for server in variant.servers]
        for server in servers:
            server.launch()
        for server in servers:
            server.wait()
        self._begin_paying()

    def stop(self) -> None:
        """End the payment, give the instances back, and stop every process once no request is under way; returns at once."""
        for variant in self.variants.values():
            self._charge(variant)
            if variant.on_demand is not None:
                variant.on_demand.close()
        with self._lock:
            self._paid_until.clear()
            self._draining = True
            idle = not self._leases
        self._release()
        if idle:
            self.kill()

    def kill(self) -> None:
        """Stop every process now."""
        for variant in self.variants.values():
            for server in variant.servers:
                server.stop()

    def lease(self) -> None:
        """A request is under way; the endpoint's lock is held, so that no stop comes between the choice and this."""
        with self._lock:
            self._leases += 1

    def release(self) -> None:
        """A request has ended."""
        with self._lock:
            self._leases -= 1
            drained = self._draining and not self._leases
        if drained:
            self.kill()

    def check_scaled(self, variant: Variant, count: int) -> None:
        """Take or give back the difference to `count` instances in the quotas. ResourceLimitExceeded when it can't."""
        self._reserve(variant, count)

    def settle(self, variant: Variant, numbers: Numbers) -> None:
        """The variant has `numbers` from now on: what it cost until now is charged with the old count."""
        self._charge(variant)
        variant.current = numbers.copy()
        if variant.on_demand is not None:
            variant.on_demand.changed()

    def accrued(self) -> list[tuple[str, str, int, float]]:
        """(name, instance type or memory, count, AWS seconds) of what runs and has not been charged yet."""
        now = self._services.world.clock.time()
        with self._lock:
            marks = dict(self._paid_until)
        serverless = [each for variant in self.variants.values() if variant.on_demand is not None for each in variant.on_demand.accrued()]
        return serverless + [
            (f"{self._endpoint}/{variant.name}", variant.instance_type, variant.current.count, now - marks[variant.name])
            for variant in self.variants.values()
            if variant.instance_type is not None and variant.name in marks
        ]

    def _begin_paying(self) -> None:
        now = self._services.world.clock.time()
        with self._lock:
            self._paid_until = {name: now for name, variant in self.variants.items() if variant.instance_type is not None}
        for variant in self.variants.values():
            if variant.on_demand is not None:
                variant.on_demand.idle()

    def _charge(self, variant: Variant) -> None:
        now = self._services.world.clock.time()
        with self._services.cost.moving():
            with self._lock:
                since = self._paid_until.get(variant.name)
                if since is None or variant.instance_type is None:
                    return
                self._paid_until[variant.name] = now
            name = f"{self._endpoint}/{variant.name}"
            self._services.cost.instances("endpoint", name, variant.instance_type, variant.current.count, now - since)

    def _reserve(self, variant: Variant, count: int) -> None:
        if variant.instance_type is None:
            return
        delta = count - self._reserved.get(variant.name, 0)
        quota = _quota(variant.instance_type)
        if delta > 0:
            self._services.quotas.reserve(quota, delta)
        else:
            self._services.quotas.release(quota, -delta)
        self._reserved[variant.name] = count

    def _release(self) -> None:
        for name, count in self._reserved.items():
            instance_type = self.variants[name].instance_type
            if instance_type is not None:
                self._services.quotas.release(_quota(instance_type), count)
        self._reserved.clear()


def build(services: Services, models: Models, config: EndpointConfig, endpoint: str) -> Fleet:
    """A fleet that does not run yet. Could not find model, when one of the configuration has been deleted."""
    described = {request["VariantName"]: models.get(request["ModelName"]).body for request in config.variants}
    isolated = bool(config.body.get("EnableNetworkIsolation"))
    folder = services.world.folder / "endpoints" / f"{next(_numbers):06d}-{endpoint}"
    variants = {
        request["VariantName"]: Variant(
            config.title,
            request,
            _servers(services, request, described[request["VariantName"]], endpoint, folder, isolated=isolated),
            services.now(),
            direct=described[request["VariantName"]].get("InferenceExecutionConfig", {}).get("Mode") == "Direct",
        )
        for request in config.variants
    }
    for variant in variants.values():
        if variant.instance_type is None:
            variant.on_demand = OnDemand(services, f"{endpoint}/{variant.name}", variant.servers, variant.serverless)
    return Fleet(services, config, variants, endpoint)


def _servers(
    services: Services, request: Mapping[str, Any], model: Mapping[str, Any], endpoint: str, folder: Path, *, isolated: bool
) -> list[ModelServer]:
    variant = request["VariantName"]
    prefix = f"{variant}/i-{uuid4().hex[:17]}"
    startup = request.get("ContainerStartupHealthCheckTimeoutInSeconds", services.world.settings["endpoints.startupSeconds"])

    def unhealthy(container: str) -> str:
        return words.not_healthy(container, variant)

    servers = []
    for container in containers.containers(services.world, model, isolated=isolated):
        at = folder / variant / container.name
        place = Place(f"{endpoint}/{variant}", f"{LOG_GROUP}/{endpoint}", prefix, at, unhealthy)
        servers.append(ModelServer(services, container, place, startup))
    return servers


def _quota(instance_type: str) -> str:
    return f"{instance_type} for endpoint usage"
