"""One container of a variant while it runs: its folder, its process, its log, and the requests it answers.

A process that ends though nobody stopped it is started again, as AWS restarts a container.
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local_aws.executor import ExecutorError, Exit, Running
from local_aws.hosting import container as containers
from local_aws.hosting import program, words
from local_aws.hosting.container import Container, StartError
from local_aws.logs import Followed
from local_aws.permissions import JobIdentity, job_identity
from local_aws.services import Services

LOG_GROUP: Final = "/aws/sagemaker/Endpoints"
_HOST: Final = "127.0.0.1"
_PING_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.01
_log = logging.getLogger(__name__)


class UnreachableError(Exception):
    """The container does not answer: it has ended or is being started again."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A container's answer."""

    status: int
    content_type: str
    body: bytes
    custom_attributes: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container runs: its folder, its log group, and the beginning of its log stream's name.

    `unhealthy` makes the reason of a container, by name, that does not answer /ping.
    """

    owner: str
    group: str
    prefix: str
    folder: Path
    unhealthy: Callable[[str], str]

    def stream(self, container: str) -> str:
        """The log stream; AWS adds the container's name only where a model has several."""
        return self.prefix if container == "primary" else f"{self.prefix}/{container}"


class ModelServer:
    """`launch`, then `wait` until it serves; `call` any number of times from any thread; `stop` once.

    Between two calls it may be put to `sleep`, and `ensure` starts it again.
    """

    def __init__(self, services: Services, container: Container, place: Place, startup: float) -> None:
        self._services = services
        self.container = container
        self._place = place
        self._startup = startup
        self._root = place.folder / "ml"
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._running: Running | None = None
        self._identity: JobIdentity | None = None
        self._followed: Followed | None = None
        self._ended = threading.Event()
        self._port = 0
        self._serving = False
        self._stopped = False
        self._filled = False
        self._wanted = False
        self._gone = threading.Event()

    def launch(self) -> None:
        """Fill the folder and start the process. StartError when it can't be started."""
        with self._lock:
            if self._stopped:
                raise StartError(words.SERVICE_FAILED)
            self._wanted = True
            if not self._filled:
                self._place.folder.mkdir(parents=True, exist_ok=True)
                containers.fill(self._services.world, self._services.storage, self.container, self._root)
                self._filled = True
            self._port = program.free_port()
            process = program.process(
                self.container, self._credentials(), self._port, self._root, self._place.folder / "log", self._services.world.folder
            )
            self._follow()
            ended = self._ended = threading.Event()
            try:
                self._running = self._services.executor.submit(process, lambda outcome: self._exited(outcome, ended))
            except (ExecutorError, OSError) as error:
                raise StartError(words.SERVICE_FAILED) from error

    def wait(self) -> None:
        """Return when /ping answers 200. StartError when the process ends or ContainerStartupHealthCheckTimeout passes.

        The limit is AWS time; because a process takes its time whatever the clock says, it also gets some wall seconds.
        """
        clock, settings = self._services.world.clock, self._services.world.settings
        aws_limit = clock.time() + self._startup
        wall_limit = time.monotonic() + settings["endpoints.startupWallSeconds"]
        while not self._ended.is_set():
            if self._healthy():
                self._serving = True
                return
            if clock.time() >= aws_limit and time.monotonic() >= wall_limit:
                break
            self._ended.wait(_LOOK_SECONDS)
        raise StartError(self._place.unhealthy(self.container.name))

    def ensure(self) -> bool:
        """Start it now unless it runs; True when it had to be started. StartError when it can't be; the next call tries again."""
        if self._serving:
            return False
        with self._first:
            if self._wanted:
                return False
            try:
                self.launch()
                self.wait()
            except StartError:
                self.sleep()
                raise
            return True

    def sleep(self) -> None:
        """End the process and keep its folder; returns at once."""
        with self._lock:
            self._wanted = self._serving = False
            running = self._running
        if running is not None:
            running.stop(_STOP_SECONDS)

    def join(self, seconds: float) -> None:
        """After `stop`: wait until the process has gone and its log has been shipped."""
        self._gone.wait(seconds)

    def parameters(self) -> bytes | None:
        """The body of GET /execution-parameters; None when the container has no such path."""
        return self._get("/execution-parameters")

    def call(self, body: bytes, headers: Mapping[str, str], timeout: float) -> Reply:
        """POST /invocations. UnreachableError when nobody answers, TimeoutError after `timeout` wall seconds."""
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=timeout)
        try:
            connection.request("POST", "/invocations", body, dict(headers))
            answer = connection.getresponse()
            content_type = answer.headers.get("Content-Type", "application/octet-stream")
            return Reply(answer.status, content_type, answer.read(), answer.headers.get("X-Amzn-SageMaker-Custom-Attributes"))
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(str(error)) from error
        finally:
            connection.close()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after two seconds; returns at once. The folder goes when the process has gone."""
        with self._lock:
            self._stopped = True
            running = self._running
        if running is None:
            self._clean_up()
        else:
            running.stop(_STOP_SECONDS)

    def _healthy(self) -> bool:
        return self._get("/ping") is not None

    def _get(self, path: str) -> bytes | None:
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=_PING_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            return body if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _credentials(self) -> Mapping[str, str]:
        container = self.container
        if container.role is None or container.isolated:
            return {"AWS_REGION": self._services.world.region, "PYTHONUNBUFFERED": "1"}
        if self._identity is None:
            self._identity = job_identity(self._services.world, container.role, "SageMaker")
        return self._identity.environment

    def _follow(self) -> None:
        if self._followed is None:
            stream = self._place.stream(self.container.name)
            self._followed = self._services.logs.follow(self._place.folder / "log", self._place.group, stream)

    def _exited(self, outcome: Exit, ended: threading.Event) -> None:
        ended.set()
        with self._lock:
            if ended is not self._ended:
                return  # put to sleep, and started again before it had ended
            serving, self._serving, self._running = self._serving, False, None
            stopped = self._stopped
        if stopped:
            self._clean_up()
        elif serving:
            _log.warning("a container of %s ended: %s", self._place.owner, outcome)
            self._restart_later()

    def _restart_later(self) -> None:
        world = self._services.world
        thread = threading.Thread(target=self._restart, name=f"restart-{self._place.owner}", daemon=True)
        world.clock.call_later(world.settings["endpoints.restartSeconds"], thread.start)

    def _restart(self) -> None:
        try:
            self.launch()
            self.wait()
        except StartError:
            with self._lock:
                again = self._wanted and not self._stopped
            if again:
                self._restart_later()

    def _clean_up(self) -> None:
        if self._followed is not None:
            self._followed.finish()
        if self._identity is not None:
            self._services.world.identity.revoke(self._identity.access_key_id)
        self._services.discard(self._root)
        self._gone.set()
