"""Argo CD's Applications as the API server tells them: what they are now, and every state that they had since the watch began."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.sandbox import Sandbox

NAMESPACE = "argocd"
POLL_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class State:
    """One state of an Application.

    resources: (kind, name) -> (health, message), of those that have a health. refused: what the last sync says of what it did not apply.
    """

    name: str
    revision: str
    sync: str
    health: str
    operation: str
    message: str
    resources: dict[tuple[str, str], tuple[str, str]]
    refused: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """The sync of what is in git is over."""
        return self.sync == "Synced" and self.operation in ("Succeeded", "")

    def __str__(self) -> str:
        told = "; ".join(
            f"{kind}/{name} {health}: {said}" for (kind, name), (health, said) in self.resources.items() if health != "Healthy"
        )
        return f"{self.name}@{self.revision[:7]} {self.sync} {self.health} (sync {self.operation}: {self.message}) {told}"


def state_of(body: dict[str, Any]) -> State:
    """From an argoproj.io/v1alpha1 Application."""
    status = body.get("status") or {}
    operation = status.get("operationState") or {}
    resources = {
        (item["kind"], item["name"]): (item["health"]["status"], item["health"].get("message", ""))
        for item in status.get("resources") or ()
        if item.get("health")
    }
    synced = (operation.get("syncResult") or {}).get("resources") or ()
    conditions = "; ".join(item.get("message", "") for item in status.get("conditions") or ())
    return State(
        body["metadata"]["name"],
        (status.get("sync") or {}).get("revision", ""),
        (status.get("sync") or {}).get("status", "Unknown"),
        (status.get("health") or {}).get("status", "Unknown"),
        operation.get("phase", ""),
        operation.get("message", "") or conditions,
        resources,
        tuple(item.get("message", "") for item in synced if item.get("status") == "SyncFailed"),
    )


def read(sandbox: Sandbox, name: str) -> State | None:
    """None when there is no such Application."""
    found = sandbox.kubectl("get", "applications.argoproj.io", "-n", NAMESPACE, "--ignore-not-found", "-o", "json", name)
    return state_of(json.loads(found)) if found.strip() else None


def until(sandbox: Sandbox, name: str, holds: Callable[[State], bool], what: str, seconds: float) -> State:
    """The first state that holds; CommandError with the last one when none does in time."""
    deadline, state = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        state = read(sandbox, name)
        if state is not None and holds(state):
            return state
        time.sleep(POLL_SECONDS)
    raise CommandError(f"{what} took more than {seconds:.0f} s: {state or f'there is no Application {name}'}")


@dataclass(slots=True)
class Watch(AbstractContextManager["Watch"]):
    """Every state of one Application while the block runs, oldest first."""

    sandbox: Sandbox
    name: str
    states: list[State] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        command = [self.sandbox.kubectl_path, "--kubeconfig", str(self.sandbox.kubeconfig), "get", "applications.argoproj.io"]
        command += ["-n", NAMESPACE, "--field-selector", f"metadata.name={self.name}", "--watch", "-o", "jsonpath={@}{'\\n'}"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process is not None
        assert self._thread is not None
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)

    def healths(self, resource: tuple[str, str] | None = None) -> list[str]:
        """How the health of the Application, or of one of its resources, changed; without repetitions."""
        told = [state.health if resource is None else state.resources.get(resource, ("", ""))[0] for state in self.states]
        return [item for index, item in enumerate(told) if item and (index == 0 or told[index - 1] != item)]

    def _follow(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = json.loads(line)
            if found.get("kind") == "Application":
                self.states.append(state_of(found))
