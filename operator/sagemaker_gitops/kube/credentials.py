"""How to reach and log in to the API server: a service account inside the cluster, a kubeconfig file outside.

Plain data, so that kopf's watch and our own client are given the very same. A token in a file is read again whenever the
file changes: bound service account tokens live one hour.
"""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sagemaker_gitops.kube.plugin import Given, PluginError, ask

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class LoginError(Exception):
    """There is no usable way to log in; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """`ca`, `certificate` and `private_key` are PEM. At most one of `token` and `token_file` is set."""

    server: str
    ca: str = ""
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    certificate: str = ""
    private_key: str = field(default="", repr=False)
    insecure: bool = False
    namespace: str = "default"

    def ssl_context(self) -> ssl.SSLContext:
        """TLS as these credentials ask for; the client key touches the disk only while it is loaded (ssl takes files only)."""
        context = ssl.create_default_context(cadata=self.ca or None)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            with ExitStack() as stack:
                certificate, key = (stack.enter_context(tempfile.NamedTemporaryFile("w")) for _ in range(2))
                for file, text in ((certificate, self.certificate), (key, self.private_key)):
                    file.write(text)
                    file.flush()
                context.load_cert_chain(certificate.name, key.name)
        return context


class TokenSource:
    """The bearer token, or "" when the client certificate logs in. A token file is read again after a change of its mtime."""

    def __init__(self, credentials: Credentials) -> None:
        self._file = credentials.token_file
        self._token = credentials.token
        self._modified = -1

    def current(self) -> str:
        """Raises OSError when the file cannot be read."""
        if self._file is not None:
            modified = self._file.stat().st_mtime_ns
            if modified != self._modified:
                self._token = self._file.read_text("utf-8").strip()
                self._modified = modified
        return self._token


def in_cluster(host: str, port: str, folder: Path = SERVICE_ACCOUNT) -> Credentials:
    """The pod's service account. `host` and `port` are KUBERNETES_SERVICE_HOST and _PORT. Raises LoginError."""
    token_file, ca_file = folder / "token", folder / "ca.crt"
    if not token_file.is_file():
        raise LoginError(f"{token_file}: no such file; set automountServiceAccountToken: true on the operator's pod")
    namespace = folder / "namespace"
    return Credentials(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca=ca_file.read_text("ascii") if ca_file.is_file() else "",
        token_file=token_file,
        namespace=namespace.read_text("utf-8").strip() if namespace.is_file() else "default",
    )


def from_kubeconfig(path: Path, context: str = "", *, plugins: bool = False) -> Credentials:
    """One context of a kubeconfig file, the current one by default; `plugins` may be run for a person. Raises LoginError."""
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise LoginError(f"{path}: {error}; set KUBECONFIG to a readable kubeconfig file") from error
    if not isinstance(config, Mapping):
        raise LoginError(f"{path}: not a kubeconfig file")
    name = context or config.get("current-context") or ""
    chosen = _named(config, "contexts", "context", name, path)
    cluster = _named(config, "clusters", "cluster", str(chosen.get("cluster", "")), path)
    user = _named(config, "users", "user", str(chosen.get("user", "")), path)
    if "auth-provider" in user or ("exec" in user and not plugins):
        raise LoginError(f"{path}: user of context {name!r} logs in with a plugin; give the operator a service account token instead")
    given = _from_plugin(user["exec"], path) if "exec" in user else Given("", "", "")
    token_file = user.get("tokenFile")
    return Credentials(
        server=str(cluster.get("server", "")).rstrip("/"),
        ca=_pem(cluster, "certificate-authority", path),
        token="" if token_file else given.token or str(user.get("token", "")),
        token_file=path.parent / str(token_file) if token_file else None,
        certificate=given.certificate or _pem(user, "client-certificate", path),
        private_key=given.private_key or _pem(user, "client-key", path),
        insecure=bool(cluster.get("insecure-skip-tls-verify", False)),
        namespace=str(chosen.get("namespace") or "default"),
    )


def _from_plugin(plugin: Mapping[str, Any], path: Path) -> Given:
    try:
        return ask(plugin)
    except PluginError as error:
        raise LoginError(f"{path}: {error}") from error


def _named(config: Mapping[str, Any], plural: str, singular: str, name: str, path: Path) -> Mapping[str, Any]:
    for entry in config.get(plural) or ():
        if entry.get("name") == name:
            return entry.get(singular) or {}
    raise LoginError(f"{path}: {plural} has no entry named {name!r}; see `kubectl config get-contexts`")


def _pem(section: Mapping[str, Any], name: str, path: Path) -> str:
    """`<name>-data` (base64) or the file `<name>`, relative to the kubeconfig, as kubectl reads them."""
    try:
        if data := section.get(f"{name}-data"):
            return base64.b64decode(data, validate=True).decode("ascii")
        file = section.get(name)
        return (path.parent / str(file)).read_text("ascii") if file else ""
    except (OSError, binascii.Error, UnicodeDecodeError) as error:
        raise LoginError(f"{path}: {name}: {error}") from error
