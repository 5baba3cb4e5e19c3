"""Puts one local AWS together and serves it: cheroot, HTTP/1.1 keep-alive, the loopback interface only.

Everything that outlives a request is closed through `World.close`, so that a stopped server leaves no
process behind.
"""

from __future__ import annotations

import importlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cheroot import wsgi

from local_aws.app import App
from local_aws.clock import Clock
from local_aws.faults import Faults
from local_aws.identity import Identity, Role
from local_aws.inprocess import InProcess
from local_aws.ledger import Ledger
from local_aws.moto_backend import MotoBackend
from local_aws.service import Operations
from local_aws.world import World

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-central-1"
SERVICES: Final = (
    "local_aws.sts",
    "local_aws.iam",
    "local_aws.sagemaker",
    "local_aws.glue",
    "local_aws.cloudwatch",
    "local_aws.autoscaling",
    "local_aws.cloudtrail",
    "local_aws.notifications",
    "local_aws.scheduling",
)
"""Packages and modules with `operations(world)`; the order is the order in which they start, and end in reverse."""

_THREADS: Final = 32
_IDLE_SECONDS: Final = 120
_DRAIN_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """How to start a local AWS. `folder` is its scratch folder, `seed` the document of the seed file.

    `services` are the packages to serve in front of moto.
    """

    folder: Path
    port: int = 0
    seed: dict[str, Any] = field(default_factory=dict)
    account: str = ACCOUNT
    region: str = REGION
    services: tuple[str, ...] = SERVICES


class LocalServer:
    """A bound, not yet serving local AWS; `url` is known at once."""

    def __init__(self, settings: Settings) -> None:
        self._server = wsgi.Server(
            ("127.0.0.1", settings.port),
            None,
            numthreads=_THREADS,
            timeout=_IDLE_SECONDS,
            request_queue_size=512,
        )
        self._server.keep_alive_conn_limit = 4096
        self._server.prepare()
        host, port = self._server.bind_addr[:2]
        self.url = f"http://{host}:{port}"
        try:
            in_process = InProcess(self.url, settings.region)
            self.world = _world(settings, self.url, in_process)
            app = App(self.world, _operations(self.world, settings.services), MotoBackend(settings.account))
        except BaseException:
            self._server.stop()
            raise
        in_process.app = self._server.wsgi_app = app

    def serve(self) -> None:
        """Serve until `stop` is called from another thread or a signal handler."""
        self._server.serve()

    def stop(self) -> None:
        """Close the port, then everything that the services started; requests under way get a second.

        cheroot would wait for its last thread, which may sit in a 20 second SQS poll.
        """
        closer = threading.Thread(target=self._server.stop, name="http-stop", daemon=True)
        closer.start()
        self.world.close()
        closer.join(2 * _DRAIN_SECONDS)


def load_seed(path: Path) -> dict[str, Any]:
    """A seed file: `{"roles": [...]}`; raises ValueError naming the file."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or set(document) - {"roles"}:
        raise ValueError(f'{path}: give a JSON object {{"roles": [...]}}')
    return document


def _operations(world: World, services: tuple[str, ...]) -> Operations:
    operations: Operations = {}
    for name in services:
        operations |= importlib.import_module(name).operations(world)
    return operations


def _world(settings: Settings, url: str, in_process: InProcess) -> World:
    settings.folder.mkdir(parents=True, exist_ok=True)
    clock = Clock()
    identity = Identity(settings.account, clock)
    for document in settings.seed.get("roles", ()):
        identity.register(Role.from_json(document, settings.account))
    world = World(
        account=settings.account,
        region=settings.region,
        clock=clock,
        endpoint_url=url,
        folder=settings.folder,
        ledger=Ledger(),
        faults=Faults(),
        identity=identity,
        client_factory=in_process.client,
    )
    world.on_close(clock.close)
    return world
