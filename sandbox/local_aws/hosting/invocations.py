"""InvokeEndpoint: which variant answers, what its containers say, and how their errors look to the caller.

Source: API reference of InvokeEndpoint; the messages of ModelError from public issues. Every invocation is counted per
variant and may be captured.
"""

from __future__ import annotations

import time
from typing import Any, Final

from local_aws.errors import AwsError
from local_aws.hosting import words
from local_aws.hosting.capture import Capture, Exchanged
from local_aws.hosting.container import StartError
from local_aws.hosting.endpoint import Chosen, Endpoint
from local_aws.hosting.endpoints import Endpoints
from local_aws.hosting.metrics import Invocation, Meter
from local_aws.hosting.model_server import LOG_GROUP, ModelServer, Reply, UnreachableError
from local_aws.hosting.variant import Variant
from local_aws.service import Call, Operations
from local_aws.services import Services

_MODEL_ERROR: Final = 424
_MESSAGE_CHARACTERS: Final = 2048


class Invocations:
    """The runtime of one world."""

    def __init__(self, services: Services, endpoints: Endpoints, meter: Meter, capture: Capture) -> None:
        self._services = services
        self._endpoints = endpoints
        self._meter = meter
        self._capture = capture

    def operations(self) -> Operations:
        return {("sagemaker-runtime", "InvokeEndpoint"): self.invoke}

    def invoke(self, call: Call) -> dict[str, Any]:
        params = call.params
        endpoint, chosen = self._target(params)
        variant = chosen.variant
        began = time.monotonic()
        try:
            reply, error = self._asked(endpoint, variant, params)
        finally:
            chosen.fleet.release()
        status = reply.status if reply is not None else 500
        self._meter.count(Invocation(endpoint, variant, status, time.monotonic() - began))
        if error is not None or reply is None:
            raise error or words.unavailable()
        if chosen.capture is not None:
            self._capture.record(Exchanged(endpoint.title, variant.name, variant.role, params, reply), chosen.capture)
        return {
            "Body": reply.body,
            "ContentType": reply.content_type,
            "InvokedProductionVariant": variant.name,
            "CustomAttributes": reply.custom_attributes,
        }

    def _target(self, params: dict[str, Any]) -> tuple[Endpoint, Chosen]:
        name, account = params["EndpointName"], self._services.world.account
        endpoint = self._endpoints.find(name)
        if endpoint is None or endpoint.serving is None:
            raise words.endpoint_not_serving(name, account)
        if "TargetModel" in params:
            raise words.no_target_model(name)
        target = params.get("TargetVariant")
        chosen = endpoint.choose(target)
        if chosen is None:
            raise words.no_target_variant(target, name, account) if target else words.endpoint_not_serving(name, account)
        return endpoint, chosen

    def _asked(self, endpoint: Endpoint, variant: Variant, params: dict[str, Any]) -> tuple[Reply | None, AwsError | None]:
        """The last container's reply, and the error that the caller gets instead of it."""
        headers = {
            "Content-Type": params.get("ContentType", "application/octet-stream"),
            "Accept": params.get("Accept", "*/*"),
        }
        if "CustomAttributes" in params:
            headers["X-Amzn-SageMaker-Custom-Attributes"] = params["CustomAttributes"]
        servers = variant.server(params.get("TargetContainerHostname"))
        if not servers:
            return None, words.runtime_refusal(f"Container {params['TargetContainerHostname']} of variant {variant.name} not found.")
        reply = Reply(200, headers["Content-Type"], params["Body"])
        for server in servers:
            sent = {**headers, "Content-Type": reply.content_type}
            try:
                reply = self._post(server, reply.body, sent)
            except UnreachableError:
                return None, words.unavailable()
            if not 200 <= reply.status < 300:
                return reply, self._model_error(endpoint, server.container.name, reply)
        return reply, None

    def _post(self, server: ModelServer, body: bytes, headers: dict[str, str]) -> Reply:
        try:
            server.ensure()
            return server.call(body, headers, self._services.world.settings["endpoints.invocationWallSeconds"])
        except TimeoutError:
            return Reply(0, "text/plain", words.timed_out(server.container.name).encode())
        except StartError as error:
            raise UnreachableError(error.reason) from error

    def _model_error(self, endpoint: Endpoint, container: str, reply: Reply) -> AwsError:
        world = self._services.world
        group = f"{LOG_GROUP}/{endpoint.title}"
        said = reply.body.decode("utf-8", "replace")[:_MESSAGE_CHARACTERS]
        kind = "client" if 400 <= reply.status < 500 else "server"
        console = f"https://{world.region}.console.aws.amazon.com/cloudwatch/home?region={world.region}#logEventViewer:group={group}"
        message = (
            f'Received {kind} error ({reply.status}) from {container} with message "{said}". '
            f"See {console} in account {world.account} for more information."
        )
        members = {
            "Message": message,
            "OriginalStatusCode": reply.status,
            "OriginalMessage": said,
            "LogStreamArn": f"arn:aws:logs:{world.region}:{world.account}:log-group:{group}",
        }
        return AwsError("ModelError", message, status=_MODEL_ERROR, members=members)
