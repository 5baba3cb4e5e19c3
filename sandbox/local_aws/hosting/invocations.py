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
from local_aws.hosting.variant import Variant
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
        params = call.params
        endpoint = self.serving(params["EndpointName"])
        if endpoint.asynchronous:
            raise words.only_async(endpoint.title)
        chosen = self._chosen(endpoint, params)
        try:
            with chosen.variant.admit():
                answered = self.exchange(endpoint, chosen, params, self._services.world.settings["endpoints.invocationWallSeconds"])
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

    def exchange(self, endpoint: Endpoint, chosen: Chosen, params: dict[str, Any], timeout: float) -> Answered:
        """Ask the chosen variant, count it, capture it. ServiceUnavailable when a container does not answer.

        `params` are Body, ContentType, Accept and the rest of an invocation; the caller releases the fleet.
        """
        variant = chosen.variant
        servers = variant.server(params.get("TargetContainerHostname"))
        if not servers:
            raise words.no_target_container(params.get("TargetContainerHostname"), variant.name)
        began = time.monotonic()
        try:
            answered = chain.ask(servers, params["Body"], chain.headers(params), timeout)
        except UnreachableError as error:
            self._count(endpoint, variant, 500, began)
            raise words.unavailable() from error
        self._count(endpoint, variant, answered.reply.status, began)
        if answered.good and chosen.capture is not None:
            self._capture.record(Exchanged(endpoint.title, variant.name, variant.role, params, answered.reply), chosen.capture)
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

    def _count(self, endpoint: Endpoint, variant: Variant, status: int, began: float) -> None:
        self._meter.count(Invocation(endpoint, variant, status, time.monotonic() - began))
