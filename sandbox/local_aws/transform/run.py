"""How a transform job does its work: capacity, containers, then every object of the input, each to an object of its own.

An object that fails fails the job, but those after it are transformed all the same, and leave their results. Sources: developer
guide, "Batch transform for inference" and "Use Your Own Inference Code with Batch Transform".
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from local_aws.hosting import container as containers
from local_aws.hosting.container import StartError
from local_aws.hosting.model_server import ModelServer, Place
from local_aws.sagemaker.words import INTERNAL_ERROR, client_error
from local_aws.services import Services
from local_aws.transform.parameters import Parameters, parameters
from local_aws.transform.record import TransformJob
from local_aws.transform.work import LOG_GROUP, SEE_LOGS, DataLog, FailedError, HaltedError, Inputs, Work

_ORDER: Final = ("ClientError", "AlgorithmError", "InternalServerError")
_STOP_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class TransformRun:
    """Drives one job; `begin` once, `stop` at any time. `forced` is a FailureReason to end with before it gets capacity."""

    def __init__(self, services: Services, job: TransformJob, model: Mapping[str, Any], folder: Path, forced: str | None) -> None:
        self._services = services
        self._job = job
        self._model = model
        self._folder = folder
        self._forced = forced
        self._stream = f"{job.name}/i-{uuid4().hex[:17]}-{uuid4().hex[:8]}"
        self._halted = threading.Event()
        self._servers: list[ModelServer] = []

    def begin(self) -> None:
        world = self._services.world
        world.clock.call_later(world.settings["transform.startingSeconds"], lambda: self._services.submit(self._provisioned))

    def stop(self) -> None:
        """End the job as Stopped; objects that are done keep their results."""
        self._halted.set()
        self._job.stopping(self._services.now())
        if self._services.slots.cancel(self._start):
            self._services.submit(lambda: self._end(None))
        for server in self._servers:
            server.stop()

    def _provisioned(self) -> None:
        if self._halted.is_set() or self._forced is not None:
            self._end(self._forced)
            return
        self._job.running(self._services.now())
        self._services.slots.run(self._start)

    def _start(self) -> None:
        threading.Thread(target=self._guarded, name=f"transform-{self._job.name}", daemon=True).start()

    def _guarded(self) -> None:
        reason = None
        try:
            self._transform()
        except HaltedError:
            pass
        except FailedError as failed:
            reason = failed.reason
        except StartError as failed:
            reason = client_error(failed.reason.removeprefix("ClientError: "))
        except Exception:
            _log.exception("transform job %s failed", self._job.name)
            reason = INTERNAL_ERROR
        for server in self._servers:
            server.stop()
        for server in self._servers:
            server.join(_STOP_SECONDS)
        self._services.slots.free()
        self._end(reason)

    def _transform(self) -> None:
        role = self._model.get("ExecutionRoleArn")
        inputs = Inputs(self._services, self._job.request, role).objects()
        self._servers = self._containers()
        if self._halted.is_set():
            raise HaltedError
        for server in self._servers:
            server.launch()
        try:
            for server in self._servers:
                server.wait()
        except StartError as error:
            raise FailedError(f"AlgorithmError: {error.reason}") from error
        found = parameters(self._job.request, self._servers[0].parameters())
        data_log = DataLog(self._services.logs, f"{self._stream}/data-log")
        data_log.write(f"MaxConcurrentTransforms={found.concurrent}, MaxPayloadInMB={found.megabytes}, BatchStrategy={found.strategy}")
        work = Work(self._services, self._job.request, role, self._servers, found, data_log, self._halted)
        self._each(work, inputs, found)

    def _each(self, work: Work, inputs: Mapping[str, str], found: Parameters) -> None:
        """Every object, with as many requests under way as the job may have; a failure of the user's data is told first."""
        failures: list[str] = []
        with ThreadPoolExecutor(found.concurrent, thread_name_prefix=f"transform-{self._job.name}") as pool:
            running = [work.begin(pool, uri, name) for uri, name in inputs.items()]
            for each in running:
                try:
                    each.finish()
                except FailedError as failed:
                    failures.append(failed.reason)
        if self._halted.is_set():
            raise HaltedError
        if failures:
            raise FailedError(min(failures, key=lambda reason: _ORDER.index(reason.partition(":")[0])))

    def _containers(self) -> list[ModelServer]:
        world, extra = self._services.world, {**environment(self._job.request), **self._job.request.get("Environment", {})}
        servers = []
        for container in containers.containers(world, self._model):
            own = replace(container, environment={**container.environment, **extra})
            place = Place(f"transform job {self._job.name}", LOG_GROUP, self._stream, self._folder / container.name, _unhealthy)
            servers.append(ModelServer(self._services, own, place, world.settings["endpoints.startupSeconds"]))
        return servers

    def _end(self, reason: str | None) -> None:
        instance_type, count = self._job.instances
        self._services.quotas.release(f"{instance_type} for transform job usage", count)
        stopped = self._halted.is_set()
        status = "Stopped" if stopped else "Failed" if reason is not None else "Completed"
        self._job.ended(status, self._services.now(), None if stopped else reason)
        seconds = self._job.billable_seconds()
        if seconds is not None:
            self._services.cost.instances("transform-job", self._job.name, instance_type, count, seconds)


def environment(request: Mapping[str, Any]) -> dict[str, str]:
    """What SageMaker tells containers of a transform job beside the job's own Environment."""
    found = {"SAGEMAKER_BATCH": "true"}
    named = {
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": request.get("MaxPayloadInMB"),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": request.get("MaxConcurrentTransforms"),
        "SAGEMAKER_BATCH_STRATEGY": {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}.get(request.get("BatchStrategy", "")),
    }
    return found | {name: str(value) for name, value in named.items() if value is not None}


def _unhealthy(_: str) -> str:
    return SEE_LOGS
