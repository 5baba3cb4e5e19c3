"""What tools that know nothing of us conclude: kstatus's rules, kubectl wait, and Argo CD's health built on them.

Rules: sigs.k8s.io/cli-utils/pkg/kstatus, `GetStandardStatus`-like evaluation of a custom resource, written after its documentation.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.system.stack import SKLEARN, TRAIN, Stack, condition

NOTICED = timedelta(seconds=2)


def kstatus(found: Mapping[str, Any]) -> str:
    """Terminating, InProgress, Failed or Current, as kstatus says of a custom resource."""
    metadata, status = found["metadata"], found.get("status", {})
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if status.get("observedGeneration") != metadata["generation"]:
        return "InProgress"
    states = {item["type"]: item["status"] for item in status.get("conditions", ())}
    if states.get("Stalled") == "True":
        return "Failed"
    if states.get("Reconciling") == "True":
        return "InProgress"
    return {"True": "Current", None: "Current"}.get(states.get("Ready"), "InProgress")


@contextmanager
def watching(stack: Stack, name: str) -> Iterator[list[dict[str, Any]]]:
    """Every state of an object that the API server tells while the block runs."""
    command = [stack.sandbox.kubectl_path, "--kubeconfig", str(stack.sandbox.kubeconfig), "get", "tr", "-n", stack.namespace]
    command += ["--field-selector", f"metadata.name={name}", "--watch", "-o", "jsonpath={@}{'\\n'}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    seen: list[dict[str, Any]] = []

    def read() -> None:
        assert process.stdout is not None
        seen.extend(found for found in map(json.loads, process.stdout) if found["kind"] == "TrainingRun")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield seen
    finally:
        process.terminate()
        process.wait(10)
        reader.join(10)


def _without_repeats(states: list[str]) -> list[str]:
    return [state for index, state in enumerate(states) if index == 0 or states[index - 1] != state]


def test_a_good_run_is_in_progress_and_then_current(stack: Stack) -> None:
    """Never Current before its end, never Failed."""
    with watching(stack, "healthy") as seen:
        stack.run("healthy")
        stack.ended("healthy")
    stack.sandbox.kubectl("wait", "--for=condition=Ready", "tr/healthy", "-n", stack.namespace, "--timeout=5s")
    assert _without_repeats([kstatus(found) for found in seen]) in (["InProgress", "Current"], ["InProgress"])
    assert kstatus(stack.get("healthy")) == "Current"


def test_a_bad_run_is_in_progress_and_then_failed(stack: Stack) -> None:
    """Argo CD shows Degraded, not Progressing for ever; kubectl can wait for the failure, too."""
    with watching(stack, "unhealthy") as seen:
        stack.run("unhealthy", files={"train.py": "raise ValueError('no')\n"})
        stack.ended("unhealthy")
    stack.sandbox.kubectl("wait", "--for=condition=Stalled", "tr/unhealthy", "-n", stack.namespace, "--timeout=5s")
    assert "Current" not in [kstatus(found) for found in seen]
    assert kstatus(stack.get("unhealthy")) == "Failed"


def test_an_edit_is_in_progress_again_at_once(stack: Stack) -> None:
    """Between the edit and our look at it the old Ready does not count: observedGeneration is behind."""
    manifest = stack.run("edited")
    stack.ended("edited")
    with watching(stack, "edited") as seen:
        stack.apply(manifest | {"spec": manifest["spec"] | {"train": manifest["spec"]["train"] | {"hyperparameters": {"depth": 2}}}})
        stack.until("edited", lambda status: status.get("phase") == "Succeeded" and len(status["history"]) == 2)
    edited = [found for found in seen if found["metadata"]["generation"] == 2]
    assert kstatus(edited[0]) == "InProgress"
    assert kstatus(stack.get("edited")) == "Current"


def _told_after(stack: Stack, name: str, ended: datetime) -> timedelta:
    """From the end at AWS to the API server receiving the operator's word of it."""
    writes = [event for event in stack.operator_writes(name) if event.verb == "patch"]
    return writes[-1].received - ended


def _told_in_time(told: Callable[[int], timedelta]) -> None:
    """The best of three: another process on this machine may hold up any one of them, and a poll would hold up all."""
    took = []
    for trial in range(3):
        took.append(told(trial))
        if took[-1] < NOTICED:
            return
    raise AssertionError(took)


@pytest.mark.parametrize(("name", "script"), [("told-good", TRAIN), ("told-bad", "raise ValueError('no')\n")])
def test_the_end_is_told_within_two_seconds(stack: Stack, name: str, script: str) -> None:
    """Both ends, from the job's own end time to the status write that the audit log shows."""

    def told(trial: int) -> timedelta:
        stack.run(f"{name}-{trial}", files={"train.py": script})
        stack.ended(f"{name}-{trial}")
        return _told_after(stack, f"{name}-{trial}", stack.describe_job(f"{name}-{trial}")["TrainingEndTime"])

    _told_in_time(told)


def test_a_glue_run_that_fails_is_told_within_two_seconds(stack: Stack) -> None:
    """Ready=False, Stalled=True with Glue's message and log, and kstatus agrees."""
    files = {"prepare.py": "raise KeyError('no such column')\n", "train.py": TRAIN}
    train = {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]}

    def told(trial: int) -> timedelta:
        name = f"told-glue-{trial}"
        stack.run(name, files=files, prepare={"glue": {"script": "prepare.py", "outputs": ["train"]}}, train=train)
        step = stack.ended(name)["steps"][0]
        run = stack.client("glue").get_job_run(JobName=step["awsName"], RunId=step["runId"])["JobRun"]
        assert kstatus(stack.get(name)) == "Failed"
        return _told_after(stack, name, run["CompletedOn"])

    _told_in_time(told)


def test_every_condition_says_for_which_generation(stack: Stack) -> None:
    """kstatus and people compare it."""
    stack.run("generations")
    status = stack.ended("generations")
    assert {item["observedGeneration"] for item in status["conditions"]} == {status["observedGeneration"]} == {1}
    assert condition(status, "Ready")["lastTransitionTime"]
