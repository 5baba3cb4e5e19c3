"""From a container's image and command to a process of this machine.

A Python script runs in the interpreter that the image maps to; where that is the pre-imported one, it is
forked from the zygote. Any other command (`/bin/bash -c ...`) runs as it is, with that Python first on its
PATH.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_aws import images
from local_aws.executor import Process
from local_aws.lifecycle import JobFailedError
from local_aws.sagemaker import words

_PYTHON = re.compile(r"(?:.*/)?python(?:3(?:\.\d+)?)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job runs: its folder shown as /opt/ml, its working directory, its log file."""

    name: str
    root: Path
    cwd: Path
    log: Path


def image_of(uri: str) -> images.Image:
    """The local stand-in for an image; JobFailedError in the words of a failed pull when there is none."""
    try:
        return images.resolve(uri)
    except LookupError as error:
        raise JobFailedError(words.client_error(str(error))) from error


def process(
    image: images.Image, command: Sequence[str], environment: Mapping[str, str], place: Place
) -> Process:
    """The process for a container command."""
    interpreter = image.interpreter
    python = _PYTHON.fullmatch(command[0]) is not None
    if python and interpreter is None and len(command) > 1 and command[1].endswith(".py"):
        argv, chosen = tuple(command[1:]), None
    else:
        chosen = interpreter or Path(sys.executable)
        argv = (str(chosen), *command[1:]) if python else tuple(command)
    path = os.pathsep.join(
        [str((interpreter or Path(sys.executable)).parent), os.environ.get("PATH", os.defpath)]
    )
    return Process(
        name=place.name,
        argv=argv,
        environment={"PATH": path, "HOME": "/opt/ml", "LANG": "C.UTF-8", **environment},
        root=place.root,
        cwd=place.cwd,
        log=place.log,
        interpreter=chosen,
    )
