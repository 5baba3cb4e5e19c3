"""InvokeEndpoint: which variant answers, what its containers say, and how their errors look to the caller.

Source: API reference of InvokeEndpoint; the messages of ModelError from public issues. Every invocation is counted per
variant and may be captured.
"""

from __future__ import annotations

import time
from typing import Any, Final

from local_aws.hosting import chain, words
from local_aws.hosting.capture import Capture, Exchanged
from local_aws.hosting.chain import Answered
from local_aws.hosting.endpoint import Chosen, Endpoint
from local_aws.hosting.endpoints import Endpoints
from local_aws.hosting.metrics import Invocation, Meter
from local_aws.hosting.model_server import LOG_GROUP, UnreachableError
from local_aws.service import Call, Operations
from local_aws.services import Services

_BODY_BYTES: Final = 6_291_456
_SERVERLESS_BODY_BYTES: Final = 4_194_304


class Invocations:
    """The runtime of one world."""

    def __init__(self, services: Services, endpoints: Endpoints, meter: Meter, capture: Capture) -> None:
        self._services = services
        self._endpoints = endpoints
        self._meter = meter
        self._capture = capture

    def operations(self) -> Operations:
        return {("sagemaker-runtime", "InvokeEndpoint"): self.invoke}

    def serving(self, name: str) -> Endpoint:
        """The endpoint of exactly that name; ValidationError unless it serves."""
        endpoint = self._endpoints.find(name)
        if endpoint is None or endpoint.serving is None:
            raise words.endpoint_not_serving(name, self._services.world.account)
        return endpoint

    def invoke(self, call: Call) -> dict[str, Any]:
        arrived = time.monotonic()
        params = call.params
        endpoint = self.serving(params["EndpointName"])
        if endpoint.asynchronous:
            raise words.only_async(endpoint.title)
        chosen = self._chosen(endpoint, params)
        try:
            with chosen.variant.admit():
                timeout = self._services.world.settings["endpoints.invocationWallSeconds"]
                answered = self.exchange(endpoint, chosen, params, timeout, arrived)
        finally:
            chosen.fleet.release()
        if not answered.good:
            raise chain.model_error(self._services.world, f"{LOG_GROUP}/{endpoint.title}", answered)
        return {
            "Body": answered.reply.body,
            "ContentType": answered.reply.content_type,
            "InvokedProductionVariant": chosen.variant.name,
            "CustomAttributes": answered.reply.custom_attributes,
        }

    def exchange(
        self, endpoint: Endpoint, chosen: Chosen, params: dict[str, Any], timeout: float, arrived: float | None = None
    ) -> Answered:
        """Ask the chosen variant, count it, capture it. ServiceUnavailable when a container does not answer.

        `params` are Body, ContentType, Accept and the rest of an invocation; the caller releases the fleet. `arrived` is when the
        request came (monotonic), None for now: the time until the containers are asked is overhead.
        """
        variant = chosen.variant
        servers = variant.server(params.get("TargetContainerHostname"))
        if not servers:
            raise words.no_target_container(params.get("TargetContainerHostname"), variant.name)
        began = time.monotonic()
        before = began - (began if arrived is None else arrived)
        try:
            answered = chain.ask(servers, params["Body"], chain.headers(params), timeout)
        except UnreachableError as error:
            self._meter.count(Invocation(endpoint.title, variant, 500, time.monotonic() - began, before))
            raise words.unavailable() from error
        ended = time.monotonic()
        if answered.good and chosen.capture is not None:
            self._capture.record(Exchanged(endpoint.title, variant.name, variant.role, params, answered.reply), chosen.capture)
        overhead = before + time.monotonic() - ended
        self._meter.count(Invocation(endpoint.title, variant, answered.reply.status, ended - began, overhead))
        return answered

    def _chosen(self, endpoint: Endpoint, params: dict[str, Any]) -> Chosen:
        name, account = endpoint.title, self._services.world.account
        if "TargetModel" in params:
            raise words.no_target_model(name)
        target = params.get("TargetVariant")
        chosen = endpoint.choose(target)
        if chosen is None:
            raise words.no_target_variant(target, name, account) if target else words.endpoint_not_serving(name, account)
        limit = _BODY_BYTES if chosen.variant.on_demand is None else _SERVERLESS_BODY_BYTES
        if len(params["Body"]) > limit:
            chosen.fleet.release()
            raise words.too_large(params["Body"], limit)
        return chosen
