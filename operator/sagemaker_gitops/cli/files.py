"""Manifests from files, folders, kustomizations and stdin, read the way kubectl reads them (kubectl_yaml.py)."""

from __future__ import annotations

import base64
import binascii
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.cli.kubectl_yaml import SIZE_LIMIT, NotYaml, documents
from sagemaker_gitops.cli.progress import say
from sagemaker_gitops.core.resource import GROUP, VERSION, Key

SUFFIXES = (".yaml", ".yml", ".json")
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
READ_KINDS = (*KINDS, "ConfigMap")
# The API server's own check of names (apimachinery, validation.IsDNS1123Subdomain).
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


def is_name(text: str) -> bool:
    """Whether an object can have this name."""
    return len(text) <= 253 and _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and where it was read; `namespace` "" means that the manifest names none. Made by `load`, which checks its frame."""

    origin: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"].get("name") or "")

    @property
    def namespace(self) -> str:
        return str(self.body["metadata"].get("namespace") or "")

    @property
    def spec(self) -> Any:
        return self.body.get("spec")

    @property
    def key(self) -> Key:
        return Key(self.kind, self.namespace, self.name)

    @property
    def ours(self) -> bool:
        """Whether it is of our API group, be there such a kind or not."""
        return str(self.body["apiVersion"]).startswith(f"{GROUP}/")

    @property
    def served(self) -> bool:
        """Whether it is one of our kinds, in the version that there is."""
        return self.kind in KINDS and self.body["apiVersion"] == f"{GROUP}/{VERSION}"

    @property
    def files(self) -> dict[str, bytes]:
        """A ConfigMap's content. CommandError when the API server would refuse it."""
        found = {key: text.encode() for key, text in self._texts("data")}
        for key, text in self._texts("binaryData"):
            try:
                found[key] = base64.b64decode(text, validate=True)
            except binascii.Error as error:
                raise CommandError(f"{self.origin}: {self.key}: binaryData.{key} is not base64: {error}") from error
        return found

    def _texts(self, field: str) -> Iterator[tuple[str, str]]:
        content = self.body.get(field) or {}
        if not isinstance(content, Mapping):
            raise CommandError(f"{self.origin}: {self.key}: {field} must be an object of file names and texts")
        for key, text in content.items():
            if not isinstance(text, str):
                raise CommandError(f"{self.origin}: {self.key}: {field}.{key} must be a text: put it in quotes, or use a block (|)")
            yield key, text


def load(paths: Iterable[str]) -> list[Manifest]:
    """Everything under `paths`; "-" is stdin, a folder with a kustomization is built. CommandError names file and line."""
    found: list[Manifest] = []
    for path in paths:
        if path == "-":
            found += _objects("stdin", sys.stdin.read(SIZE_LIMIT + 1))
        elif Path(path).is_dir():
            found += _folder(Path(path))
        else:
            found += _objects(path, _text(Path(path)))
    ignored = sorted({f"{item.kind} ({item.body['apiVersion']})" if item.ours else item.kind for item in found if not _read(item)})
    if ignored:
        say(f"note: not read: {', '.join(ignored)}")
    return found


def in_namespace(manifests: Iterable[Manifest], namespace: str) -> list[Manifest]:
    """The manifests as kubectl would apply them: where none is named, into the namespace of the context."""
    return [
        item
        if item.namespace or item.kind == "Tenant"
        else Manifest(item.origin, {**item.body, "metadata": {**item.body["metadata"], "namespace": namespace}})
        for item in manifests
    ]


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest.kind == kind and _read(manifest)]


def _read(manifest: Manifest) -> bool:
    return manifest.kind in READ_KINDS and (manifest.served or manifest.body["apiVersion"] == "v1")


def _folder(folder: Path) -> list[Manifest]:
    """A kustomization is built, also one below `folder`; what it consists of is not read a second time."""
    if any((folder / name).exists() for name in KUSTOMIZATIONS):
        return _objects(str(folder), _kustomized(folder), lines=False)
    found: list[Manifest] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            found += _folder(path)
        elif path.is_file() and path.suffix in SUFFIXES:
            found += _objects(str(path), _text(path))
    return found


def _kustomized(folder: Path) -> str:
    kubectl = _kubectl()
    if kubectl is None:
        raise CommandError(f"{folder} is a kustomization: put kubectl on PATH, or give the built manifests (`... | lint -`)", USAGE)
    built = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if built.returncode:
        raise CommandError(f"kubectl kustomize {folder}: {built.stderr.strip()}")
    return built.stdout


def _kubectl() -> str | None:
    """kubectl on PATH, else one that the sandbox has built."""
    if found := shutil.which("kubectl"):
        return found
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sagemaker-gitops" / "control-plane"
    return next((str(path) for path in sorted(cache.glob("*/kubectl"), reverse=True) if os.access(path, os.X_OK)), None)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise CommandError(f"{path} has more than {SIZE_LIMIT} bytes", USAGE)
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", USAGE) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", USAGE) from error


def _objects(origin: str, text: str, *, lines: bool = True) -> list[Manifest]:
    """`lines`: whether line numbers of `text` mean something to the user."""
    found: list[Manifest] = []
    try:
        for line, document in documents(text):
            place = f"{origin}:{line}" if lines else origin
            listed = document.get("items") if isinstance(document, Mapping) and document.get("kind") == "List" else [document]
            if not isinstance(listed, list):
                raise CommandError(f"{place}: items of a List must be a list")
            found += [_manifest(place, item) for item in listed]
    except NotYaml as error:
        raise CommandError(f"{origin}:{error.line}: {error}") from error
    return found


def _manifest(origin: str, body: Any) -> Manifest:
    """The frame that every Kubernetes object has, as the API server demands it."""
    if not isinstance(body, Mapping):
        raise CommandError(f"{origin}: no Kubernetes object: {str(body)[:60]!r}")
    for field in ("apiVersion", "kind"):
        if not isinstance(body.get(field), str) or not body[field]:
            raise CommandError(f"{origin}: no Kubernetes object: {field} is required and must be a text")
    metadata = {} if body.get("metadata") is None else body["metadata"]
    if not isinstance(metadata, Mapping):
        raise CommandError(f"{origin}: metadata must be an object")
    if wrong := next((name for name in ("name", "namespace") if not isinstance(metadata.get(name, ""), str | None)), None):
        raise CommandError(f"{origin}: metadata.{wrong} must be a string: put quotes around it")
    if body["kind"] in READ_KINDS and not metadata.get("name"):
        raise CommandError(f"{origin}: metadata.name: Required value")
    for field in ("labels", "annotations"):
        _require_texts(f"{origin}: metadata.{field}", metadata.get(field))
    return Manifest(origin, {**body, "metadata": metadata})


def _require_texts(place: str, value: Any) -> None:
    if not isinstance(value, Mapping | None):
        raise CommandError(f"{place} must be an object")
    if wrong := next((key for key, text in (value or {}).items() if not isinstance(text, str | None)), None):
        raise CommandError(f"{place}.{wrong} must be a string: put quotes around it")
