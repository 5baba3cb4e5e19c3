"""Between the executor, which knows containers, and the jobs, which know FailureReasons: one translation for both kinds of job."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local_aws import images
from local_aws.executor import Process
from local_aws.executor.commands import container_process
from local_aws.executor.contract import Command, ContractError
from local_aws.executor.packages import InstallError, Packages
from local_aws.lifecycle import JobFailedError
from local_aws.sagemaker import words

REQUIREMENTS = "requirements.txt"


@contextlib.contextmanager
def as_failure_reasons() -> Iterator[None]:
    """What cannot be made into a container, or installed in it, in the words of a failed job."""
    try:
        yield
    except (images.UnknownImageError, ContractError) as error:
        raise JobFailedError(words.client_error(str(error))) from error
    except InstallError as error:
        raise JobFailedError(words.algorithm_error(str(error), 1)) from error


@dataclass(frozen=True, slots=True)
class Place:
    """Where a container runs: its folder shown as /opt/ml, its log, and the folder of the local AWS that all jobs share."""

    name: str
    root: Path
    log: Path
    shared: Path


def process(image: images.Image, command: Command, environment: Mapping[str, str], place: Place) -> Process:
    """The process for a container command, with what the source's requirements.txt asks for."""
    interpreter, variables = image.interpreter, dict(environment)
    requirements = place.root / "code" / REQUIREMENTS
    if command.user_script and requirements.is_file():
        installed = Packages(place.shared / "packages").install(requirements, interpreter)
        if installed is not None:
            # What the zygote has imported already would win over what was installed.
            interpreter = interpreter or Path(sys.executable)
            variables["PYTHONPATH"] = ":".join(filter(None, (str(installed), variables.get("PYTHONPATH"))))
    return container_process(place.name, command, interpreter, variables, place.root, place.log, place.shared / "tools")
