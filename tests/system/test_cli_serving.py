"""invoke, compare, promote and graph against the running stack: they read and ask, and write one file of the user's."""

from __future__ import annotations

import json
import subprocess
import sys
from os import environ
from pathlib import Path

from tests.system.stack import Stack
from tests.system.test_champion import Challenge

FILE = """\
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: ModelEndpoint
metadata: {name: typed}
spec:
  variants:
    - {name: all, model: {package: {group: typed, version: 1}}} # the pin
"""


def _command(stack: Stack, *arguments: str) -> str:
    """What a person of the sandbox types; its stdout."""
    done = subprocess.run(
        [sys.executable, "-m", "sagemaker_gitops", *arguments],
        env={**environ, **stack.sandbox.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_a_run_to_the_pin_of_the_next_version(stack: Stack, tmp_path: Path) -> None:
    """Compare two runs, pin the better one in the file, sync it, and ask it."""
    run = Challenge(stack, "typed")
    run.run(0.8)
    path = tmp_path / "endpoint.yaml"
    path.write_text(FILE)
    stack.sandbox.kubectl("apply", "-n", stack.namespace, "-f", str(path))
    run.endpoints.in_service("typed", "1")
    assert run.run(0.9)[0]["model"] == "typed/2"
    writes = len(stack.operator_writes("typed"))

    newer, older = json.loads(_command(stack, "compare", "typed", "-n", stack.namespace, "-o", "json"))
    assert (newer["model"], newer["parameters"], newer["championModel"]) == ("typed/2", {"accuracy": "0.9"}, "typed/1")
    assert (older["model"], older["parameters"]) == ("typed/1", {"accuracy": "0.8"})
    assert newer["inputs"] == older["inputs"]

    assert "+    - {name: all, model: {package: {group: typed, version: 2}}} # the pin" in _command(
        stack, "promote", "typed", "-n", stack.namespace, "--file", str(path)
    )
    assert path.read_text() == FILE.replace("version: 1", "version: 2")
    assert len(stack.operator_writes("typed")) == writes, "promote writes to no cluster"

    stack.sandbox.kubectl("apply", "-n", stack.namespace, "-f", str(path))
    run.endpoints.in_service("typed", "2")
    answer = json.loads(_command(stack, "invoke", "typed", "-n", stack.namespace, "--variant", "all", "--data", "1", "-o", "json"))
    assert (answer["variant"], answer["body"].strip()) == ("all", "0.9")

    live = tmp_path / "live.json"
    live.write_text(stack.sandbox.kubectl("get", "tr,mep", "typed", "-n", stack.namespace, "-o", "json"))
    drawn = _command(stack, "graph", str(live))
    assert "variant all: typed/2, 100%  <- group.team-a.typed" in drawn
    assert "ModelEndpoint typed [InService]" in drawn
