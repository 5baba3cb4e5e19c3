"""invoke, compare, promote and graph against the running stack: they read and ask, and write one file of the user's."""

from __future__ import annotations

import json
from pathlib import Path

from tests.system.endpoints import Endpoints, pinned, serves
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


def _told(stack: Stack, *arguments: str) -> str:
    """The stdout of a command that succeeds."""
    done = stack.command(*arguments)
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

    newer, older = json.loads(_told(stack, "compare", "typed", "-n", stack.namespace, "-o", "json"))
    assert (newer["model"], newer["parameters"], newer["championModel"]) == ("typed/2", {"accuracy": "0.9"}, "typed/1")
    assert (older["model"], older["parameters"]) == ("typed/1", {"accuracy": "0.8"})
    assert newer["inputs"] == older["inputs"]

    assert "+    - {name: all, model: {package: {group: typed, version: 2}}} # the pin" in _told(
        stack, "promote", "typed", "-n", stack.namespace, "--file", str(path)
    )
    assert path.read_text() == FILE.replace("version: 1", "version: 2")
    assert len(stack.operator_writes("typed")) == writes, "promote writes to no cluster"

    stack.sandbox.kubectl("apply", "-n", stack.namespace, "-f", str(path))
    run.endpoints.in_service("typed", "2")
    answer = json.loads(_told(stack, "invoke", "typed", "-n", stack.namespace, "--variant", "all", "--data", "1", "-o", "json"))
    assert (answer["variant"], answer["body"].strip()) == ("all", "0.9")

    live = tmp_path / "live.json"
    live.write_text(stack.sandbox.kubectl("get", "tr,mep", "typed", "-n", stack.namespace, "-o", "json"))
    drawn = _told(stack, "graph", str(live))
    assert "variant all: typed/2, 100%  <- group.team-a.typed" in drawn
    assert "ModelEndpoint typed [InService]" in drawn


def test_plan_tells_what_an_edit_of_an_endpoint_would_call(stack: Stack, tmp_path: Path) -> None:
    """Nothing for what serves; a share alone is one call; another version is made beside the old one. Nothing of it is done."""
    endpoints = Endpoints(stack)
    for version in (1, 2):
        endpoints.register("foreseen", serves(version))
    endpoints.apply("foreseen", pinned("foreseen", 1))
    endpoints.in_service("foreseen", "1")

    def planned(*given: str) -> list[str]:
        calls: list[str] = json.loads(_told(stack, "plan", "-o", "json", "-n", stack.namespace, *given))[0]["calls"]
        return [call.partition(" ")[0].removeprefix("sagemaker:") for call in calls]

    def edited(**changes: object) -> list[str]:
        spec = {"variants": [pinned("foreseen", 1) | changes]}
        manifest = {"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": {"name": "foreseen"}, "spec": spec}
        path = tmp_path / "edited.json"
        path.write_text(json.dumps(manifest))
        return planned(str(path))

    answers: list[list[str]] = []
    made = stack.created_by(
        lambda: answers.extend(
            [planned("mep/foreseen"), edited(weight=0.5), edited(model={"package": {"group": "foreseen", "version": 2}})]
        )
    )
    assert answers == [[], ["UpdateEndpointWeightsAndCapacities"], ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"]]
    assert not made
