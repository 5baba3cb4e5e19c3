"""`sandbox up|down|status`: API server, local AWS and operator as processes of this machine, nothing else touched.

The packages of sandbox/ are started as programs, never imported: the operator must not depend on them.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from sagemaker_gitops.cli.errors import FINDINGS, CommandError
from sagemaker_gitops.cli.local_account import ACCOUNT, REGION, SEED, prepare_account
from sagemaker_gitops.cli.local_clock import SETTING, set_speed, setting
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.cli.processes import Child, Children, wait_for
from sagemaker_gitops.cli.progress import doing, say
from sagemaker_gitops.runtime.clock import FastClock

ROOT = Path(__file__).resolve().parents[3]
NAMESPACE = "team-a"
START_SECONDS = 120.0
# Waits for late answers of a real AWS, and a guard against wrong prunes: the local one answers at once and holds nothing dear.
OPERATOR_SETTINGS = {
    "SAGEMAKER_GITOPS_INSTALL_ID": "sandbox",
    "SAGEMAKER_GITOPS_ABSENCE_INTERVAL": "1s",
    "SAGEMAKER_GITOPS_GLUE_QUARANTINE": "5s",
    "SAGEMAKER_GITOPS_CREATE_QUARANTINE": "5s",
    "SAGEMAKER_GITOPS_DELETION_LIMIT": "0",
    "SAGEMAKER_GITOPS_SWEEP_INTERVAL": "30s",
    "SAGEMAKER_GITOPS_DRIFT_INTERVAL": "30s",
    "SAGEMAKER_GITOPS_HEALTH_ADDRESS": "127.0.0.1:0",
}


@dataclass(slots=True)
class Sandbox:
    """A running sandbox in `folder`. Use as a context manager; its end ends every process."""

    folder: Path
    operator_settings: Mapping[str, str] = field(default_factory=lambda: dict(OPERATOR_SETTINGS))
    admission: bool = True  # False: without the admission policies, for tests of what the operator refuses by itself
    children: Children = field(init=False)
    aws_url: str = ""
    kubectl_path: str = "kubectl"
    queue_url: str = ""
    operator: Child | None = None
    cluster: Child | None = None
    generation: int = 0
    speed: float = 1.0  # of the time that the local AWS and the operator live in
    clock: FastClock = field(init=False)
    controller_manager: bool = False
    argo_cd: bool = False

    def __post_init__(self) -> None:
        self.children = Children(self.folder)

    def __enter__(self) -> Self:
        if not (ROOT / "crds").is_dir():
            raise CommandError(f"{ROOT} is not a checkout of the repository: the sandbox uses its crds/, manifests/ and sandbox/")
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.children.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.children.stop()

    @property
    def kubeconfig(self) -> Path:
        return self._cluster_folder / "kubeconfig"

    @property
    def _cluster_folder(self) -> Path:
        return self.folder / f"cluster-{self.generation}"

    def _start(self) -> None:
        self.kubectl_path = self._find_kubectl()
        with doing("local AWS"):
            self.start_aws()
        with doing("Kubernetes API server" if self.argo_cd else "Kubernetes API server, CRDs"):
            self.start_cluster()
        with doing("Argo CD, and its first sync of the platform" if self.argo_cd else "rights, tenant"):
            self.install()
        with doing("operator"):
            self.start_operator()

    def _find_kubectl(self) -> str:
        """Finds or builds the control plane, showing the progress of a build, and returns its kubectl."""
        command = [sys.executable, "-m", "local_cluster", "build"]
        command += ["--controller-manager"] * self.controller_manager + ["--argocd"] * self.argo_cd
        found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if found.returncode:
            raise CommandError("the control plane could not be built; the reason is above")
        return next(line for line in found.stdout.splitlines() if line.endswith("kubectl"))

    def start_aws(self) -> None:
        (self.folder / "seed.json").write_text(json.dumps(SEED))
        ready = self.folder / "aws.ready"
        ready.unlink(missing_ok=True)
        child = self.children.start(
            "aws",
            [
                "local_aws",
                "serve",
                "--folder",
                str(self.folder / "aws"),
                "--region",
                REGION,
                "--seed",
                str(self.folder / "seed.json"),
                "--ready-file",
                str(ready),
                "--die-with-parent",
            ],
        )
        wait_for(ready.exists, child, "the start of the local AWS", START_SECONDS)
        self.aws_url = ready.read_text().strip()
        self.clock = set_speed(self.aws_url, self.speed)
        self.queue_url = prepare_account(self.aws_url)

    def start_cluster(self) -> None:
        ready = self.folder / "cluster.ready"
        ready.unlink(missing_ok=True)
        command = ["local_cluster", "up", "--folder", str(self._cluster_folder), "--ready-file", str(ready)]
        command += ["--controller-manager"] * self.controller_manager
        command += [] if self.argo_cd else ["--crds", str(ROOT / "crds")]
        self.cluster = self.children.start("cluster", command)
        wait_for(ready.exists, self.cluster, "the start of the API server", START_SECONDS)

    def install(self) -> None:
        self.kubectl("apply", "-k", str(ROOT / "manifests" / "samples" / "tenant"))
        self.kubectl("apply", "-k", str(ROOT / "manifests" / "overlays" / "sandbox"))
        if not self.admission:
            self.kubectl("delete", "validatingadmissionpolicybindings", "--all")

    def start_operator(self) -> None:
        """The operator logs in with rights of its own (manifests/base/rbac.yaml), never as admin."""
        environment = {**self.operator_environment(), "KUBECONFIG": self.kubeconfig_of("operator")}
        self.operator = self.children.start("operator", ["sagemaker_gitops", "run"], environment)
        wait_for(lambda: '"ready"' in self._operator_log(), self.operator, "the start of the operator", START_SECONDS)

    def operator_environment(self) -> Mapping[str, str]:
        """Settings and AWS of the operator, without its way to the cluster."""
        fast = {} if self.speed == 1.0 else {SETTING: setting(self.clock)}
        return {
            **self.operator_settings,
            **fast,
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_ACCESS_KEY_ID": "LOCALOPERATOR",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAGEMAKER_GITOPS_EVENT_QUEUE_URL": self.queue_url,
        }

    def restart_operator(self) -> None:
        """A new process, as after an upgrade or a node failure."""
        self.stop_operator()
        self.start_operator()

    def stop_operator(self) -> None:
        """Until `start_operator` nobody reconciles."""
        self._end(self.operator)

    def rebuild_cluster(self) -> None:
        """Another cluster from an empty etcd, beside the same AWS account, with everything installed anew."""
        self.stop_operator()
        self._end(self.cluster)
        self.generation += 1
        self.start_cluster()
        self.install()
        self.start_operator()

    def _end(self, child: Child | None) -> None:
        assert child is not None
        child.stop()
        self.children.running.remove(child)
        child.log.unlink()

    def _operator_log(self) -> str:
        return (self.folder / "operator.log").read_text(errors="replace")

    def kubeconfig_of(self, user: str) -> str:
        command = [sys.executable, "-m", "local_cluster", "kubeconfig", "--folder", str(self._cluster_folder), "--user", user]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """kubectl as admin of this sandbox's cluster and of no other."""
        done = subprocess.run(
            [self.kubectl_path, "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object of the team's namespace."""
        found: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-n", NAMESPACE, "-o", "json"))
        return found

    def environment(self) -> Mapping[str, str]:
        """What a person sets to use kubectl, boto3, `plan` and `logs` against this sandbox."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_ACCESS_KEY_ID": "LOCALADMIN",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "SAGEMAKER_GITOPS_INSTALL_ID": self.operator_settings["SAGEMAKER_GITOPS_INSTALL_ID"],
        }


def default_folder() -> Path:
    """`${XDG_STATE_HOME:-~/.local/state}/sagemaker-gitops/sandbox`."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "sagemaker-gitops" / "sandbox"


def _absolute(text: str) -> Path:
    """The exports are for shells in other folders."""
    return Path(text).absolute()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("up", "down", "status"))
    parser.add_argument("--folder", type=_absolute, default=default_folder(), help="where it lives (default: %(default)s)")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    return {"up": _up, "down": _down, "status": _status}[options.action](options)


def _up(options: argparse.Namespace) -> int:
    state = options.folder / "sandbox.json"
    if _owner(state):
        raise CommandError(f"a sandbox runs in {options.folder} already: `sagemaker-gitops sandbox status`, or choose another --folder")
    stop = stop_signal()
    say("Starting the sandbox")
    with Sandbox(options.folder) as sandbox:
        told = {"pid": os.getpid(), "account": ACCOUNT, "kubectl": sandbox.kubectl_path, "environment": dict(sandbox.environment())}
        state.write_text(json.dumps(told))
        _tell(told, options.output)
        _say_how_to_go_on()
        try:
            while not _stopped(stop, 1.0):
                for child in sandbox.children.running:
                    child.require_running()
        finally:
            state.unlink(missing_ok=True)
    return 0


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


def _say_how_to_go_on() -> None:
    say("Ready. Use the lines above in another shell, then for example:")
    say(f"  {sys.executable} {_short(ROOT)}manifests/samples/digits/upload.py s3://team-a-ml/raw/digits/")
    say(f"  kubectl apply -k {_short(ROOT)}manifests/samples/digits")
    say(f"  kubectl get tr -n {NAMESPACE} -w")
    say("Ctrl-C ends it.")


def _short(folder: Path) -> str:
    return "" if folder == Path.cwd() else f"{folder}/"


def _tell(told: Mapping[str, Any], output: str) -> None:
    """The environment of a running sandbox; as text, lines for a shell, which find its kubectl too."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in told["environment"].items()]
    lines += [f'export PATH={shlex.quote(str(Path(told["kubectl"]).parent))}:"$PATH"']
    show(output, told["environment"], "\n".join(lines))
    sys.stdout.flush()


def _down(options: argparse.Namespace) -> int:
    told = _owner(options.folder / "sandbox.json")
    if told is None:
        say(f"no sandbox runs in {options.folder}")
        return 0
    os.kill(told["pid"], signal.SIGTERM)
    wait_for(lambda: _owner(options.folder / "sandbox.json") is None, None, "the end of the sandbox", 60.0)
    return 0


def _status(options: argparse.Namespace) -> int:
    told = _owner(options.folder / "sandbox.json")
    if told is None:
        say(f"no sandbox runs in {options.folder}")
        return FINDINGS
    _tell(told, options.output)
    return 0


def _owner(state: Path) -> dict[str, Any] | None:
    """What the process that holds the sandbox said of it, if it lives."""
    try:
        told = json.loads(state.read_text())
        if not isinstance(told, dict) or not {"environment", "kubectl"} <= told.keys():
            return None
        os.kill(int(told["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return told
