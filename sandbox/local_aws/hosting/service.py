"""Puts hosting together for one world: its settings, its threads, its operations, and its end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from local_aws.hosting.async_inference import AsyncInference
from local_aws.hosting.capture import Capture
from local_aws.hosting.configs import EndpointConfigs
from local_aws.hosting.costs import LiveCost
from local_aws.hosting.deployment import Starters
from local_aws.hosting.endpoints import Endpoints
from local_aws.hosting.invocations import Invocations
from local_aws.hosting.metrics import Meter
from local_aws.sagemaker.models import Models
from local_aws.sagemaker.tags import Tags
from local_aws.service import Operations
from local_aws.services import Services

_THREADS: Final = 8

SETTINGS: Final = {
    "endpoints.creatingSeconds": 0.05,
    "endpoints.updatingSeconds": 0.05,
    "endpoints.rollingBackSeconds": 0.05,
    "endpoints.deletingSeconds": 0.05,
    "endpoints.systemUpdatingSeconds": 1.0,
    "endpoints.restartSeconds": 1.0,
    "endpoints.startupSeconds": 480.0,
    "endpoints.startupWallSeconds": 20.0,
    "endpoints.invocationWallSeconds": 60.0,
    "endpoints.serverlessIdleSeconds": 300.0,
    "endpoints.backlogSeconds": 60.0,
    "endpoints.alarmPollSeconds": 5.0,
    "endpoints.captureSeconds": 5.0,
    "endpoints.captureRecords": 1000.0,
    "endpoints.silentRollback": 0.0,
    "endpoints.startServers": 1.0,
}
"""AWS seconds unless the name says wall. `startupSeconds` is the limit for the first /ping where a variant sets none.
`silentRollback` 1: a rollback never has a FailureReason. `startServers` 0: a server starts at its first invocation."""


def operations(services: Services, tag_store: Tags, models: Models) -> Operations:
    """Every operation of hosting."""
    world = services.world
    for name, value in SETTINGS.items():
        world.settings.setdefault(name, value)
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="endpoint")
    starters = Starters(services, pool)
    configs = EndpointConfigs(services, tag_store, models)
    endpoints = Endpoints(starters, tag_store, models, configs)
    world.cost = LiveCost(services.cost, endpoints.all)
    meter, capture = Meter(services.metrics, world.clock), Capture(services)
    invocations = Invocations(services, endpoints, meter, capture)
    asynchronous = AsyncInference(services, invocations)
    endpoints.watchers.append(asynchronous.changed)

    def close() -> None:
        pool.shutdown(wait=False, cancel_futures=True)
        asynchronous.close()
        endpoints.close()
        capture.flush()

    world.on_close(close)
    return {**configs.operations(), **endpoints.operations(), **invocations.operations(), **asynchronous.operations()}
