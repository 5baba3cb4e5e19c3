"""InvokeEndpointAsync: accept a request, answer at once where its result will be, and work it off from the endpoint's queue.

The result lies in S3OutputPath, the container's answer to a failed one in S3FailurePath; topics are told of either. Input is read
and output written with the model's execution role.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from uuid import uuid4

from local_aws import storage
from local_aws.clock import Timer
from local_aws.errors import AwsError
from local_aws.hosting import async_notice, chain, pace, words
from local_aws.hosting.async_metrics import AsyncMeter
from local_aws.hosting.async_queue import Queue, Waiting
from local_aws.hosting.endpoint import Chosen, Endpoint
from local_aws.hosting.invocations import Invocations
from local_aws.hosting.model_server import LOG_GROUP, Reply
from local_aws.sagemaker.words import INTERNAL_ERROR
from local_aws.service import Call, Operations
from local_aws.services import Services

_THREADS: Final = 16
_TTL_SECONDS: Final = 21_600
_TIMEOUT_SECONDS: Final = 900
_BODY_BYTES: Final = 128_000
_WALL_SECONDS: Final = 0.5
_MILLISECONDS: Final = 1000
_EXPIRED: Final = "The request expired before it was processed: it waited longer than RequestTTLSeconds."
_log = logging.getLogger(__name__)


class _FailedError(Exception):
    """A request fails with this reason; `reply` is what the container said, `metric` counts it."""

    def __init__(self, reason: str, metric: str = "InvocationFailures", reply: Reply | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.metric = metric
        self.reply = reply


class AsyncInference:
    """The queues of one world; a clock's tick publishes backlogs, expires requests and notices endpoints that went."""

    def __init__(self, services: Services, runtime: Invocations) -> None:
        self._services = services
        self._runtime = runtime
        self._meter = AsyncMeter(services)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="async-inference")
        self._lock = threading.Lock()
        self._queues: dict[str, Queue] = {}
        self._timer: Timer | None = None

    def operations(self) -> Operations:
        return {("sagemaker-runtime", "InvokeEndpointAsync"): self.invoke}

    def changed(self, endpoint: Endpoint) -> None:
        """An endpoint has a new status: it may have become asynchronous, have more capacity, or be on its way out."""
        with self._lock:
            queue = self._queues.get(endpoint.arn)
            if queue is None and endpoint.asynchronous:
                queue = self._queues[endpoint.arn] = Queue(endpoint, self._submit, self._process)
                self._schedule()
            elif queue is not None and endpoint.status == "Deleting":
                queue.clear()
                del self._queues[endpoint.arn]
        if queue is not None:
            self._submit(queue.pump)

    def invoke(self, call: Call) -> dict[str, Any]:
        params = call.params
        endpoint = self._runtime.serving(params["EndpointName"])
        queue = self._queues.get(endpoint.arn)
        fleet = endpoint.serving
        if queue is None or fleet is None or not endpoint.asynchronous:
            raise words.not_async(endpoint.title)
        _check_input(params)
        output = fleet.config.body["AsyncInferenceConfig"]["OutputConfig"]
        identifier = str(uuid4())
        waiting = Waiting(
            params=params,
            inference_id=params.get("InferenceId") or str(uuid4()),
            output=_output(output.get("S3OutputPath"), params, identifier),
            failure=_below(output.get("S3FailurePath"), f"{identifier}-error.out"),
            received=self._services.now(),
            expires=self._services.world.clock.time() + params.get("RequestTTLSeconds", _TTL_SECONDS),
        )
        queue.add(waiting)
        return {"InferenceId": waiting.inference_id, "OutputLocation": waiting.output, "FailureLocation": waiting.failure}

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, work: Callable[[], None]) -> None:
        try:
            self._pool.submit(work)
        except RuntimeError:
            _log.debug("a request was dropped: this local AWS is closing")

    def _schedule(self) -> None:
        """With the lock held: the next tick, unless one is due already."""
        if self._timer is None:
            world = self._services.world
            seconds = pace.at_least(world.clock, world.settings["endpoints.backlogSeconds"], _WALL_SECONDS)
            self._timer = world.clock.call_later(seconds, lambda: self._submit(self._tick))

    def _tick(self) -> None:
        with self._lock:
            self._timer = None
            queues = list(self._queues.values())
            if queues:
                self._schedule()
        now = self._services.world.clock.time()
        for queue in queues:
            for request in queue.expired(now):
                self._expire(queue.endpoint, request)
            queue.pump()
        self._meter.measure(queues)

    def _expire(self, endpoint: Endpoint, request: Waiting) -> None:
        chosen = endpoint.choose(None)
        if chosen is None:
            return
        try:
            self._fail(chosen, request, _FailedError(_EXPIRED, "ExpiredRequests"))
        finally:
            chosen.fleet.release()

    def _process(self, endpoint: Endpoint, request: Waiting) -> None:
        chosen = endpoint.choose(None)
        if chosen is None:
            return
        try:
            reply = self._answer(endpoint, chosen, request)
        except _FailedError as failed:
            self._fail(chosen, request, failed)
        except Exception:
            _log.exception("an asynchronous request of %s could not be processed", endpoint.title)
            self._fail(chosen, request, _FailedError(INTERNAL_ERROR))
        else:
            self._count(chosen, request, "InvocationsProcessed")
            self._notify(chosen, request, reply, None)
        finally:
            chosen.fleet.release()

    def _answer(self, endpoint: Endpoint, chosen: Chosen, request: Waiting) -> Reply:
        """The container's good answer, stored; _FailedError for any other."""
        waited = self._services.now() - request.received
        self._meter.count(endpoint.title, chosen.variant.name, "TimeInBacklog", waited.total_seconds() * _MILLISECONDS, "Milliseconds")
        body = self._input(chosen, request)
        params = {**request.params, "Body": body}
        try:
            answered = self._runtime.exchange(endpoint, chosen, params, request.params.get("InvocationTimeoutSeconds", _TIMEOUT_SECONDS))
        except AwsError as error:
            raise _FailedError(error.message) from error
        if not answered.good:
            said = chain.model_error(self._services.world, f"{LOG_GROUP}/{endpoint.title}", answered)
            raise _FailedError(said.message, reply=answered.reply)
        if request.output is not None:
            self._store(chosen, request.output, answered.reply.body)
        return answered.reply

    def _input(self, chosen: Chosen, request: Waiting) -> bytes:
        location = request.params.get("InputLocation")
        if location is None:
            inline: bytes = request.params["Body"]
            return inline
        reason = f"Failed to download the input of the request from {location}."
        if not self._allowed(chosen, "s3:GetObject"):
            raise _FailedError(reason, "RequestDownloadFailures")
        try:
            return self._services.storage.read(storage.parse(location))
        except (storage.StorageError, ValueError) as error:
            raise _FailedError(reason, "RequestDownloadFailures") from error

    def _store(self, chosen: Chosen, target: storage.S3Uri, body: bytes) -> None:
        reason = f"Failed to upload the response to {target}."
        if not self._allowed(chosen, "s3:PutObject"):
            raise _FailedError(reason, "ResponseUploadFailures")
        try:
            self._services.storage.put(target, body)
        except storage.StorageError as error:
            raise _FailedError(reason, "ResponseUploadFailures") from error

    def _allowed(self, chosen: Chosen, action: str) -> bool:
        role = chosen.variant.role
        return role is not None and self._services.world.identity.decision(role, action) is None

    def _fail(self, chosen: Chosen, request: Waiting, failed: _FailedError) -> None:
        reply = failed.reply
        if request.failure is not None:
            try:
                self._store(chosen, request.failure, failed.reason.encode() if reply is None else reply.body)
            except _FailedError as also:
                _log.warning("%s", also.reason)
        self._count(chosen, request, failed.metric)
        self._notify(chosen, request, reply, failed.reason)

    def _count(self, chosen: Chosen, request: Waiting, metric: str) -> None:
        endpoint, variant = request.params["EndpointName"], chosen.variant.name
        took = (self._services.now() - request.received).total_seconds() * _MILLISECONDS
        self._meter.count(endpoint, variant, metric)
        self._meter.count(endpoint, variant, "TotalProcessingTime", took, "Milliseconds")

    def _notify(self, chosen: Chosen, request: Waiting, reply: Reply | None, reason: str | None) -> None:
        config = chosen.fleet.config.body.get("AsyncInferenceConfig", {}).get("OutputConfig", {}).get("NotificationConfig", {})
        kind, member = ("SUCCESS", "SuccessTopic") if reason is None else ("ERROR", "ErrorTopic")
        topic = config.get(member)
        if not topic:
            return
        world = self._services.world
        included = f"{kind}_NOTIFICATION_TOPIC" in config.get("IncludeInferenceResponseIn", ())
        told = async_notice.message(world.region, request, self._services.now(), reply, reason, included=included)
        if not async_notice.send(world, chosen.variant.role, topic, told):
            self._meter.count(request.params["EndpointName"], chosen.variant.name, "NotificationFailures")


def _check_input(params: dict[str, Any]) -> None:
    body = params.get("Body", b"")
    if ("InputLocation" in params) == bool(body):
        raise words.runtime_refusal("Give exactly one of InputLocation and Body.")
    if len(body) > _BODY_BYTES:
        raise words.too_large(body, _BODY_BYTES)
    if "InputLocation" in params:
        try:
            storage.parse(params["InputLocation"])
        except ValueError as error:
            raise words.runtime_refusal(f"Invalid InputLocation: {error}") from error


def _output(path: str | None, params: dict[str, Any], identifier: str) -> storage.S3Uri | None:
    name = params.get("Filename", f"{identifier}.out")
    return _below(path, *filter(None, (params.get("S3OutputPathExtension"), name)))


def _below(path: str | None, *names: str) -> storage.S3Uri | None:
    return None if not path else storage.parse(path).join(*names)
