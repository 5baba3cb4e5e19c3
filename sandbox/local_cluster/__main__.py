"""Command line of the local control plane: `python -m local_cluster up|down|status|build|kubeconfig|argocd`.

Results go to stdout, progress to stderr. Exit codes: 0 ok, 1 the work failed, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from local_cluster.argocd import ArgoCd, ArgoCdError
from local_cluster.argocd_build import find_argocd
from local_cluster.binaries import find_binaries
from local_cluster.build import BuildError
from local_cluster.client import KubectlError
from local_cluster.cluster import ClusterError, LocalCluster
from local_cluster.guardian import GuardError, running_owner
from local_cluster.instance import LOCK, Instance, InstanceError, read_instance
from local_cluster.progress import say
from local_cluster.release import Program
from local_cluster.toolchain import ToolchainError
from local_cluster.users import ADMIN
from local_cluster.waiting import wait_until

DOWN_TIMEOUT = 30.0
DETACH_TIMEOUT = 180.0
HEALTH_INTERVAL = 1.0

Failure = (ArgoCdError, BuildError, ClusterError, GuardError, InstanceError, KubectlError, ToolchainError, TimeoutError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    commands = {"up": _up, "down": _down, "status": _status, "build": _build, "kubeconfig": _kubeconfig, "argocd": _argocd}
    try:
        return commands[options.command](options)
    except Failure as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def default_folder() -> Path:
    """`${XDG_STATE_HOME:-~/.local/state}/sagemaker-gitops/clusters/default`, the usual instance."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "sagemaker-gitops" / "clusters" / "default"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_cluster", description="a Kubernetes control plane without Docker")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start an instance and stay until Ctrl-C or `down`")
    up.add_argument(
        "--keep",
        action="store_true",
        help="go on from the state in the folder, and leave it there at the end",
    )
    up.add_argument("--detach", action="store_true", help="return when it is ready and leave it running")
    up.add_argument("--crds", type=Path, help="a folder of CustomResourceDefinitions to be Established before it is ready")
    up.add_argument("--ready-file", type=Path, help="written when the API server is ready, removed at the end")
    down = commands.add_parser("down", help="end an instance")
    status = commands.add_parser("status", help="whether it runs, where, and which Kubernetes")
    status.add_argument("-o", "--output", choices=("text", "json"), default="text")
    build = commands.add_parser("build", help="find or build the programs, and say where they are")
    build.add_argument("--argocd", action="store_true", help="also Argo CD")
    argocd = commands.add_parser("argocd", help="run Argo CD in an instance until Ctrl-C")
    argocd.add_argument("--argocd-folder", type=Path, required=True, help="its logs and its git repositories")
    argocd.add_argument("--repository", action="append", default=[], metavar="NAME", help="make and serve a bare repository")
    argocd.add_argument("--settings", type=Path, help="a kustomization that completes Argo CD's ConfigMaps")
    argocd.add_argument("--ready-file", type=Path, help="written when it works: JSON with the URL of each repository; removed at the end")
    kubeconfig = commands.add_parser("kubeconfig", help="print the path of the kubeconfig")
    kubeconfig.add_argument("--user", default=ADMIN, help="whose kubeconfig (default: admin)")
    for command in (up, down, status, kubeconfig, argocd):
        command.add_argument("--folder", type=Path, default=default_folder(), help="the folder of the instance, which names it")
    for command in (up, build):
        command.add_argument("--controller-manager", action="store_true", help="also kube-controller-manager")
    return parser


def _up(options: argparse.Namespace) -> int:
    if options.detach:
        return _up_detached(options)
    stop = stop_signal()
    with LocalCluster.start(options.folder, options.controller_manager, options.keep) as cluster:
        if options.crds:
            cluster.apply_crds(options.crds)
        _announce(cluster.instance, options.ready_file)
        try:
            while not _stopped(stop, HEALTH_INTERVAL):
                if not cluster.has_guard():
                    say("stopped by `down`")
                    return 0
                cluster.require_running()
        finally:
            if options.ready_file:
                options.ready_file.unlink(missing_ok=True)
    return 0


def _up_detached(options: argparse.Namespace) -> int:
    # Here and not in the background, so that the progress of a build is seen.
    find_binaries(options.controller_manager)
    with tempfile.TemporaryDirectory() as name:
        ready = options.ready_file or Path(name) / "ready"
        ready.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "local_cluster",
            "up",
            "--folder",
            str(options.folder),
            "--ready-file",
            str(ready),
        ]
        command += ["--keep"] * options.keep + ["--controller-manager"] * options.controller_manager
        command += ["--crds", str(options.crds)] if options.crds else []
        with (Path(name) / "output").open("w+") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
            wait_until(
                lambda: ready.exists() or process.poll() is not None,
                timeout=DETACH_TIMEOUT,
                waiting_for="the instance",
            )
            if not ready.exists():
                output.seek(0)
                print(output.read(), end="", file=sys.stderr)
                return 1
        _describe(read_instance(options.folder.resolve()))
    return 0


def _down(options: argparse.Namespace) -> int:
    lock = options.folder / LOCK
    owner = running_owner(lock)
    if owner is None:
        say(f"no instance runs in {options.folder}")
        return 0
    # The guard and not its parent, which may be a test run with more to do.
    os.kill(owner.guard, signal.SIGTERM)
    wait_until(
        lambda: running_owner(lock) is None,
        timeout=DOWN_TIMEOUT,
        waiting_for=f"the end of process {owner.guard}",
    )
    say(f"the instance in {options.folder} has ended")
    return 0


def _status(options: argparse.Namespace) -> int:
    owner = running_owner(options.folder / LOCK)
    if owner is None:
        answer = {"state": "Stopped", "folder": str(options.folder)}
    else:
        instance = read_instance(options.folder)
        answer = {
            "state": "Running",
            "folder": str(instance.folder),
            "context": instance.context,
            "server": instance.server,
            "kubeconfig": str(instance.kubeconfig),
            "kubernetes": instance.kubernetes,
            "process": str(owner.parent),
        }
    if options.output == "json":
        print(json.dumps(answer, indent=2))
    else:
        print("\n".join(f"{name:<12}{value}" for name, value in answer.items()))
    return 0 if owner else 1


def _build(options: argparse.Namespace) -> int:
    binaries = find_binaries(options.controller_manager)
    say(f"Kubernetes {binaries.kubernetes} from {binaries.origin}")
    for path in binaries.paths.values():
        print(path)
    if options.argocd:
        print(find_argocd())
    return 0


def _argocd(options: argparse.Namespace) -> int:
    stop = stop_signal()
    kubectl = find_binaries().path(Program.KUBECTL)
    with ArgoCd.start(options.argocd_folder, options.folder, kubectl, options.settings) as argocd:
        ready = {"repositories": {name: argocd.repository(name) for name in options.repository}}
        say(f"Argo CD is ready in {options.folder}")
        if options.ready_file:
            _write(options.ready_file, ready)
        try:
            while not _stopped(stop, HEALTH_INTERVAL):
                argocd.require_running()
        finally:
            if options.ready_file:
                options.ready_file.unlink(missing_ok=True)
    return 0


def _kubeconfig(options: argparse.Namespace) -> int:
    instance = read_instance(options.folder)
    instance.user(options.user)
    print(instance.kubeconfig_of(options.user))
    return 0


def _announce(instance: Instance, ready_file: Path | None) -> None:
    _describe(instance)
    if ready_file:
        _write(ready_file, {"kubeconfig": str(instance.kubeconfig), "context": instance.context})


def _write(ready_file: Path, content: Mapping[str, Any]) -> None:
    staging = ready_file.with_name(ready_file.name + ".new")
    staging.write_text(json.dumps(content) + "\n")
    staging.replace(ready_file)


def stop_signal() -> SimpleQueue[int]:
    """Takes the number of each SIGTERM and SIGINT from now on.

    Not a threading.Event: its `set` takes the lock that an interrupted `wait` may hold, and the process would hang.
    SimpleQueue.put is documented as reentrant.
    """
    stop: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.put(number))
    return stop


def _stopped(stop: SimpleQueue[int], seconds: float) -> bool:
    """Whether a signal came within `seconds`."""
    try:
        stop.get(timeout=seconds)
    except Empty:
        return False
    return True


def _describe(instance: Instance) -> None:
    say(f"Kubernetes {instance.kubernetes} is ready at {instance.server}, context {instance.context}")
    print(f"export KUBECONFIG={instance.kubeconfig}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
