"""From a container of a model to the process that serves it.

The framework images' serving contract is `serve.py`, which is copied into the container's folder and run by the interpreter
that stands for the image; AWS's images start their own server there. A bring-your-own image has no `serve` program here.
What works instead: an executable file `code/serve` in the model archive, started with the port in SAGEMAKER_BIND_TO_PORT
(AWS's own variable of multi-container endpoints) and its model in /opt/ml/model; or an inference script as for the frameworks.
"""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from local_aws import images
from local_aws.executor import Process
from local_aws.executor.commands import container_process
from local_aws.executor.contract import Command
from local_aws.executor.packages import InstallError, Packages
from local_aws.hosting.container import Container, StartError

PORT: Final = "SAGEMAKER_BIND_TO_PORT"
_ML: Final = PurePosixPath("/opt/ml")
# Below the range from which the kernel takes the ports of outgoing connections.
_PORTS: Final = range(20_000, 32_000)
_HOST: Final = "127.0.0.1"


def free_port() -> int:
    """A port of the loopback interface that nobody listens on; OSError when there is none."""
    start = random.randrange(len(_PORTS))
    for offset in range(len(_PORTS)):
        port = _PORTS[(start + offset) % len(_PORTS)]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise OSError("no free port for a model server")


def process(container: Container, credentials: Mapping[str, str], port: int, root: Path, log: Path, shared: Path) -> Process:
    """The process that answers /ping and /invocations on `port`; `shared` keeps tools and packages of all processes.

    StartError when nothing stands for the image or the requirements can't be installed.
    """
    try:
        image = images.resolve(container.image)
        code = code_folder(container.submit_directory)
        installed = _installed(root / code.relative_to(_ML) / "requirements.txt", image.interpreter, shared)
    except images.UnknownImageError as error:
        raise StartError(f"ClientError: {error}") from error
    except InstallError as error:
        raise StartError(f"ClientError: {error}"[:1024]) from error
    # What the zygote has imported already would win over what was installed.
    interpreter = Path(sys.executable) if installed is not None and image.interpreter is None else image.interpreter
    own = container.environment.get("PYTHONPATH")
    path = ":".join(entry for entry in (str(code), str(installed or ""), own) if entry)
    environment = {
        **credentials,
        "TMPDIR": str(_ML / "tmp"),
        "SM_MODEL_DIR": str(_ML / "model"),
        "SAGEMAKER_BASE_DIR": str(_ML),
        **container.environment,
        "PYTHONPATH": path,
        PORT: str(port),
    }
    command = Command(_command(root), _ML)
    return container_process(container.name, command, interpreter, environment, root, log, shared / "tools")


def code_folder(submit_directory: str) -> PurePosixPath:
    """Where the container finds the inference script, by its SAGEMAKER_SUBMIT_DIRECTORY."""
    if submit_directory.startswith("s3://"):
        return _ML / "code"
    given = PurePosixPath(submit_directory.removeprefix("file://") or _ML / "model/code")
    return given if given.is_relative_to(_ML) and ".." not in given.parts else _ML / "model/code"


def _installed(requirements: Path, interpreter: Path | None, shared: Path) -> Path | None:
    if not requirements.is_file():
        return None
    return Packages(shared / "packages").install(requirements, interpreter)


def _command(root: Path) -> tuple[str, ...]:
    own = root / "model/code/serve"
    if own.is_file() and os.access(own, os.X_OK):
        return (str(_ML / "model/code/serve"), "serve")
    return ("python", str(_ML / "serve/serve.py"))
