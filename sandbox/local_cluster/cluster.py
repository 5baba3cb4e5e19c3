"""A running control plane: the one class that callers of this package use.

It binds the folder (instance.py), the programs (binaries.py) and their processes (guardian.py) together.
Instances share nothing, so several run side by side.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from local_cluster import commands, manifests
from local_cluster.audit import AuditEvent, holds, read_audit_log
from local_cluster.binaries import Binaries, find_binaries
from local_cluster.client import Probe, run_kubectl
from local_cluster.guardian import Guardian
from local_cluster.instance import (
    LOCK,
    RECORD,
    Instance,
    claim_folder,
    create_instance,
    instance_paths,
    read_instance,
)
from local_cluster.ports import free_ports, is_free
from local_cluster.release import Program
from local_cluster.users import ADMIN, AUDIT_MARKER
from local_cluster.waiting import DeadlineExceededError, wait_until

READY_TIMEOUT = 120.0
START_ATTEMPTS = 4


class ClusterError(RuntimeError):
    """The control plane did not start; names the program and the end of its log."""


class PortTakenError(ClusterError):
    """Another server took a port between its choice and its use."""


class LocalCluster:
    """A running control plane. Use `start`, and either a `with` block or `stop`."""

    def __init__(self, instance: Instance, binaries: Binaries, guardian: Guardian, *, keep: bool) -> None:
        """Bind the parts of an instance that runs; callers use `start`."""
        self.instance = instance
        self.binaries = binaries
        self._guardian = guardian
        self._keep = keep
        self._running = [Program.ETCD, Program.APISERVER]

    @classmethod
    def start(cls, folder: Path, controller_manager: bool = False, keep: bool = False) -> LocalCluster:
        """Start etcd, kube-apiserver and, if asked for, kube-controller-manager; return when they are ready.

        With `keep` an earlier instance in `folder` goes on as it was, and the state stays after `stop`.
        Without it the instance starts empty and everything in `folder` is removed at the end, also after
        kill -9 of this process.

        Raises:
            AlreadyRunningError: an instance runs in `folder`.
            InstanceError: `folder` holds files that no instance made.
            ClusterError: a program did not start.
            BuildError, ToolchainError: the programs were nowhere and could not be built.
        """
        binaries = find_binaries(controller_manager)
        folder = claim_folder(folder)
        guardian = Guardian(folder / LOCK)
        try:
            cluster = cls(_prepare(folder, binaries, keep), binaries, guardian, keep=keep)
            cluster._start_all(controller_manager)
        except BaseException:
            guardian.close()
            raise
        return cluster

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of `admin`."""
        return self.instance.kubeconfig

    @property
    def context(self) -> str:
        """The name of the kubeconfig's context."""
        return self.instance.context

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig with which `user` speaks."""
        self.instance.user(user)
        return self.instance.kubeconfig_of(user)

    def token(self, user: str) -> str:
        """A bearer token of a user of users.py, or of `system:serviceaccount:<namespace>:<name>` for an hour.

        Raises:
            InstanceError: there is no such user.
            KubectlError: there is no such service account.
        """
        if user.startswith("system:serviceaccount:"):
            _, _, namespace, name = user.split(":")
            return self.kubectl("create", "token", name, "--namespace", namespace).stdout.strip()
        return self.instance.user(user).token

    def kubectl(self, *arguments: str, user: str = ADMIN, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl as `user`.

        Raises:
            KubectlError: it failed and `check` is set.
        """
        kubectl = self.binaries.path(Program.KUBECTL)
        return run_kubectl(kubectl, self.instance, arguments, user=user, stdin=stdin, check=check)

    def audit(self) -> Iterator[AuditEvent]:
        """Finished requests since the instance was made, oldest first, up to now.

        The API server writes an event just after its answer, so a marker request is made first and awaited
        in the log.

        Raises:
            DeadlineExceededError: the API server does not answer.
        """
        marker = str(uuid.uuid4())
        probe = Probe(self.instance)
        wait_until(
            lambda: probe.get("/version", AUDIT_MARKER, {"Audit-ID": marker}) == 200,
            timeout=10,
            waiting_for="the API server to answer the audit marker",
        )
        log = self.instance.audit_log
        wait_until(
            lambda: holds(log, marker),
            timeout=10,
            waiting_for=f"the marker {marker} in {log}",
        )
        return (event for event in read_audit_log(log) if event.user != AUDIT_MARKER)

    def create_namespaces(self, *names: str) -> None:
        """Make namespaces that do not exist yet."""
        manifests.create_namespaces(self.kubectl, names)

    def apply_crds(self, folder: Path) -> list[str]:
        """Apply the CustomResourceDefinitions in `folder`, wait until Established, return their names."""
        return manifests.apply_crds(self.kubectl, folder)

    def pid(self, program: Program) -> int | None:
        """Process id of a program, None when it does not run."""
        return self._guardian.running_pid(program)

    def kill_apiserver(self) -> None:
        """kill -9 kube-apiserver, as a crash does."""
        self._guardian.end(Program.APISERVER)

    def kill_etcd(self) -> None:
        """kill -9 etcd, as a crash does."""
        self._guardian.end(Program.ETCD)

    def restart_apiserver(self) -> None:
        """Start kube-apiserver again, ending it first when it runs; returns when it is ready."""
        self._guardian.end(Program.APISERVER)
        self._launch(Program.APISERVER)
        self._await_ready()

    def restart_etcd(self) -> None:
        """Start etcd again with its data, ending it first when it runs; returns when the server is ready."""
        self._guardian.end(Program.ETCD)
        self._launch(Program.ETCD)
        self._await_ready()

    def wipe(self) -> None:
        """Start over from an empty etcd; ports, certificates, tokens and the audit log stay as they are."""
        for program in reversed(self._running):
            self._guardian.end(program)
        shutil.rmtree(self.instance.etcd_data)
        for program in self._running:
            self._launch(program)
        self._await_ready()

    def stop(self) -> None:
        """End every program and, unless the state is kept, remove it. May be called twice."""
        self._guardian.close()

    def has_guard(self) -> bool:
        """False after `stop`, and when the instance was ended from outside (`local_cluster down`)."""
        return self._guardian.alive

    def require_running(self) -> None:
        """Return when every program runs.

        Raises:
            ClusterError: one has ended; names it and the end of its log.
        """
        for program in self._running:
            if not self._guardian.is_running(program):
                raise _failure(program, self.instance)

    def _start_all(self, controller_manager: bool) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            if not self._keep:
                self._guardian.discard_at_end(instance_paths(self.instance.folder))
            try:
                self._launch(Program.ETCD)
                self._launch(Program.APISERVER)
                self._await_ready()
                break
            except PortTakenError:
                if attempt == START_ATTEMPTS:
                    raise
                self._guardian.end(Program.APISERVER)
                self._guardian.end(Program.ETCD)
                self.instance = self.instance.with_ports(*free_ports(2))
        if controller_manager:
            self._running.append(Program.CONTROLLER_MANAGER)
            self._launch(Program.CONTROLLER_MANAGER)
            self._await_ready()

    def _launch(self, program: Program) -> None:
        build = {
            Program.ETCD: commands.etcd,
            Program.APISERVER: commands.apiserver,
            Program.CONTROLLER_MANAGER: commands.controller_manager,
        }[program]
        self._guardian.start(program, build(self.instance, self.binaries), self.instance.log(program))

    def _await_ready(self) -> None:
        probe = Probe(self.instance)

        def ready() -> bool:
            self.require_running()
            return probe.is_ready(Program.CONTROLLER_MANAGER in self._running)

        try:
            wait_until(ready, timeout=READY_TIMEOUT, waiting_for=f"the API server at {self.instance.server}")
        except DeadlineExceededError as error:
            tail = _tail(self.instance.log(Program.APISERVER))
            raise ClusterError(f"{error}; the end of its log:\n{tail}") from error


def _prepare(folder: Path, binaries: Binaries, keep: bool) -> Instance:
    apiserver_port, etcd_port = free_ports(2)
    if not keep or not (folder / RECORD).exists():
        return create_instance(folder, binaries.kubernetes, apiserver_port, etcd_port)
    kept = replace(read_instance(folder), kubernetes=binaries.kubernetes)
    if is_free(kept.apiserver_port) and is_free(kept.etcd_port):
        return kept.with_ports(kept.apiserver_port, kept.etcd_port)
    return kept.with_ports(apiserver_port, etcd_port)


def _failure(program: Program, instance: Instance) -> ClusterError:
    tail = _tail(instance.log(program))
    taken = "address already in use" in tail
    kind = PortTakenError if taken else ClusterError
    return kind(f"{program} has ended; the end of {instance.log(program)}:\n{tail}")


def _tail(log: Path, size: int = 3000) -> str:
    return log.read_text(errors="replace")[-size:] if log.exists() else "(no log)"
