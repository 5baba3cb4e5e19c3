"""A namespace with more to lose than the guard allows, on the real control plane: nothing goes at AWS before somebody agrees."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.cli.sandbox import OPERATOR_SETTINGS, ROOT, Sandbox
from tests.system.stack import Stack, condition

SLOW = {"train.py": "import time\ntime.sleep(600)\n"}
RUNS = ("a", "b", "c")
NAMESPACE = "mass-deletion"
pytestmark = pytest.mark.long


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """With the controller-manager, which empties namespaces; at most two deletions."""
    settings = OPERATOR_SETTINGS | {"SAGEMAKER_GITOPS_DELETION_LIMIT": "2"}
    with Sandbox(tmp_path, operator_settings=settings, controller_manager=True) as sandbox:
        shared = Stack(sandbox)
        tenant: dict[str, Any] = yaml.safe_load((ROOT / "manifests/samples/tenant/tenant.yaml").read_text())
        tenant["metadata"]["name"] = NAMESPACE
        tenant["spec"] |= {"namespaces": [NAMESPACE]}
        shared.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, tenant)
        yield replace(shared, namespace=NAMESPACE)


def _left(stack: Stack) -> dict[str, dict[str, Any]]:
    listed = json.loads(stack.sandbox.kubectl("get", "tr", "-n", NAMESPACE, "-o", "json", "--ignore-not-found") or '{"items": []}')
    return {item["metadata"]["name"]: item for item in listed["items"]}


def _running(stack: Stack) -> list[str]:
    listed = stack.client("sagemaker").list_training_jobs(NameContains=NAMESPACE, StatusEquals="InProgress")
    return sorted(job["TrainingJobName"] for job in listed["TrainingJobSummaries"])


def _held(stack: Stack) -> set[str]:
    return {name for name, item in _left(stack).items() if condition(item.get("status", {}), "Stalled").get("reason") == "DeletionsHeld"}


def _until(stack: Stack, held: set[str], jobs: int) -> None:
    deadline = time.monotonic() + 60
    while (_held(stack), set(_left(stack)), len(_running(stack))) != (held, held, jobs):
        assert time.monotonic() < deadline, json.dumps([item.get("status") for item in _left(stack).values()], indent=1)
        time.sleep(0.2)


def test_a_namespace_that_is_deleted_waits_for_somebody(stack: Stack) -> None:
    for name in RUNS:
        stack.run(name, files=SLOW)
    for name in RUNS:
        stack.until(name, lambda status: status.get("phase") == "Running")
        stack.wait_for_call(name, "CreateTrainingJob")  # status says so a moment before
    jobs = _running(stack)
    stack.sandbox.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    _until(stack, set(RUNS), 3)
    stack.sandbox.restart_operator()
    time.sleep(5.0)
    _until(stack, set(RUNS), 3)
    assert _running(stack) == jobs
    stack.annotate("a", reconcile_requested_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    _until(stack, {"b", "c"}, 2)
    for name in ("b", "c"):
        stack.annotate(name, release="true")
    _until(stack, set(), 2)
    stack.sandbox.kubectl("wait", "--for=delete", f"namespace/{NAMESPACE}", "--timeout=60s")
