"""The folder of one control plane: name, ports, certificates, users, kubeconfigs.

Whoever reads the folder needs no running process: the kubeconfigs, the audit log and the record that
context.py checks are all here.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import yaml

from local_cluster.certificates import CA_CERTIFICATE, fingerprint, write_certificates
from local_cluster.users import ADMIN, User, new_users, read_token_file, token_file

CONTEXT_PREFIX = "sagemaker-gitops-sandbox-"
# Says in a kubeconfig which folder a context belongs to; kubectl keeps it when it merges or flattens files.
EXTENSION = "sagemaker-gitops.dev/sandbox"
RECORD = "instance.json"
LOCK = "lock"
STATE = frozenset(
    {
        RECORD,
        "pki",
        "etcd",
        "logs",
        "tokens.csv",
        "audit-policy.yaml",
        "audit.log",
        "kubeconfig",
        "kubectl-cache",
    }
)

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "Metadata", "resources": [{"group": "sagemaker-gitops.dev"}]},
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "users": ["audit-marker"]},
        {"level": "None", "nonResourceURLs": ["*"]},
        {"level": "Metadata", "users": ["operator"]},
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}


class InstanceError(RuntimeError):
    """The folder cannot hold an instance, or holds none."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What is recorded about one instance. Ports are on 127.0.0.1."""

    folder: Path
    name: str
    kubernetes: str
    apiserver_port: int
    etcd_port: int
    ca_sha256: str

    @property
    def context(self) -> str:
        """The name of the kubeconfig context."""
        return CONTEXT_PREFIX + self.name

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.apiserver_port}"

    @property
    def etcd_url(self) -> str:
        return f"http://127.0.0.1:{self.etcd_port}"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of `admin`."""
        return self.folder / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def etcd_data(self) -> Path:
        return self.folder / "etcd"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.csv"

    @property
    def audit_policy(self) -> Path:
        return self.folder / "audit-policy.yaml"

    @property
    def kubectl_cache(self) -> Path:
        """kubectl's discovery cache: of its own, because ports are used again with other CRDs behind them."""
        return self.folder / "kubectl-cache"

    def log(self, program: str) -> Path:
        """The output of one program."""
        return self.logs / f"{program}.log"

    def user(self, name: str) -> User:
        """The user called `name`.

        Raises:
            InstanceError: there is none; names those that exist.
        """
        users = {user.name: user for user in read_token_file(self.tokens.read_text())}
        if name not in users:
            raise InstanceError(f"no user {name!r} in {self.folder}; there are {', '.join(sorted(users))}")
        return users[name]

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig with which `user` speaks; the context has the same name in all of them."""
        return self.kubeconfig if user == ADMIN else self.folder / f"kubeconfig.{user.replace(':', '-')}"

    def with_ports(self, apiserver_port: int, etcd_port: int) -> Instance:
        """The same instance on other ports, recorded."""
        moved = replace(self, apiserver_port=apiserver_port, etcd_port=etcd_port)
        moved.write()
        return moved

    def write(self) -> None:
        """Write the record and the kubeconfig of every user."""
        for user in read_token_file(self.tokens.read_text()):
            _write_private(self.kubeconfig_of(user.name), yaml.safe_dump(self._kubeconfig(user), sort_keys=False))
        record = asdict(self) | {"folder": str(self.folder), "context": self.context, "server": self.server}
        _write_private(self.folder / RECORD, json.dumps(record, indent=2) + "\n")

    def _kubeconfig(self, user: User) -> dict[str, object]:
        authority = base64.b64encode((self.pki / CA_CERTIFICATE).read_bytes()).decode()
        extension = {"name": EXTENSION, "extension": {"folder": str(self.folder), "instance": self.name}}
        cluster = {"server": self.server, "certificate-authority-data": authority, "extensions": [extension]}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.context, "cluster": cluster}],
            "users": [{"name": self.context, "user": {"token": user.token}}],
            "contexts": [{"name": self.context, "context": {"cluster": self.context, "user": self.context}}],
            "current-context": self.context,
        }


def instance_name(folder: Path) -> str:
    """The name that an instance in `folder` has: the folder's name as a Kubernetes name."""
    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:40] or "default"


def read_instance(folder: Path) -> Instance:
    """The instance recorded in `folder`.

    Raises:
        InstanceError: none is recorded there.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
    except FileNotFoundError:
        raise InstanceError(f"no instance in {folder}: {RECORD} is missing; start one with `up`") from None
    return Instance(
        folder=folder.resolve(),
        name=record["name"],
        kubernetes=record["kubernetes"],
        apiserver_port=record["apiserver_port"],
        etcd_port=record["etcd_port"],
        ca_sha256=record["ca_sha256"],
    )


def claim_folder(folder: Path) -> Path:
    """Make `folder` and return its resolved path.

    Raises:
        InstanceError: it holds files that are not an instance's; they would be in danger when state is
            thrown away.
    """
    folder = folder.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    strangers = sorted(path.name for path in folder.iterdir() if not _is_ours(path.name))
    if strangers:
        raise InstanceError(f"{folder} holds {', '.join(strangers[:3])}, which no instance made; name an empty folder")
    return folder


def create_instance(folder: Path, kubernetes: str, apiserver_port: int, etcd_port: int) -> Instance:
    """A new instance in `folder`, in place of any that was there."""
    discard(folder)
    pki = folder / "pki"
    write_certificates(pki)
    instance = Instance(
        folder=folder,
        name=instance_name(folder),
        kubernetes=kubernetes,
        apiserver_port=apiserver_port,
        etcd_port=etcd_port,
        ca_sha256=fingerprint((pki / CA_CERTIFICATE).read_text()),
    )
    instance.logs.mkdir(mode=0o700)
    _write_private(instance.tokens, token_file(new_users()))
    instance.audit_policy.write_text(yaml.safe_dump(AUDIT_POLICY, sort_keys=False))
    instance.audit_log.touch(mode=0o600)
    instance.write()
    return instance


def instance_paths(folder: Path) -> list[Path]:
    """Everything that an instance writes into `folder`, now or later, its lock excepted."""
    present = {path.name for path in folder.iterdir() if path.name != LOCK and _is_ours(path.name)}
    return [folder / name for name in sorted(present | STATE)]


def discard(folder: Path) -> None:
    """Remove what an instance wrote into `folder`."""
    for path in instance_paths(folder):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _is_ours(name: str) -> bool:
    # kubeconfig.<user>, and the name that the API server gives to a full audit log.
    return name == LOCK or name in STATE or name.startswith(("kubeconfig", "audit-"))


def _write_private(path: Path, text: str) -> None:
    staging = path.with_name(path.name + ".new")
    staging.touch(mode=0o600)
    staging.write_text(text)
    staging.replace(path)
