"""Manifests from files, folders, kustomizations and stdin, read the way kubectl reads them."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.core.resource import GROUP, Key

SIZE_LIMIT = 8 * 1024 * 1024  # bytes of one file
SUFFIXES = (".yaml", ".yml", ".json")
KUSTOMIZATION = "kustomization.yaml"


class _Loader(yaml.SafeLoader):
    """Plain data without aliases: a few hundred bytes of them can unfold to gigabytes (failure-modes.md K2)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {line}: aliases (*name) are not read: write the value out")
        return super().compose_node(parent, index)


# kubectl turns YAML into JSON: dates are texts there, and 1e-4 is a number.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789"))


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and where it was read; `namespace` "" means that the manifest names none."""

    origin: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.body.get("kind", ""))

    @property
    def name(self) -> str:
        return str((self.body.get("metadata") or {}).get("name", ""))

    @property
    def namespace(self) -> str:
        return str((self.body.get("metadata") or {}).get("namespace", ""))

    @property
    def spec(self) -> Any:
        return self.body.get("spec")

    @property
    def key(self) -> Key:
        return Key(self.kind, self.namespace, self.name)

    @property
    def ours(self) -> bool:
        return str(self.body.get("apiVersion", "")).startswith(f"{GROUP}/")

    @property
    def files(self) -> dict[str, bytes]:
        """A ConfigMap's content."""
        found = {key: str(text).encode() for key, text in (self.body.get("data") or {}).items()}
        return found | {key: base64.b64decode(text) for key, text in (self.body.get("binaryData") or {}).items()}


def load(paths: Iterable[str]) -> list[Manifest]:
    """Everything under `paths`; "-" is stdin, a folder with a kustomization is built. CommandError names file and line."""
    found: list[Manifest] = []
    for path in paths:
        if path == "-":
            found += _documents("stdin", sys.stdin.read())
        elif Path(path).is_dir():
            found += _folder(Path(path))
        else:
            found += _documents(path, _text(Path(path)))
    return found


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest.kind == kind and (manifest.ours or kind == "ConfigMap")]


def _folder(folder: Path) -> list[Manifest]:
    if (folder / KUSTOMIZATION).exists():
        return _documents(str(folder), _kustomized(folder))
    return [item for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES for item in _documents(str(path), _text(path))]


def _kustomized(folder: Path) -> str:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise CommandError(f"{folder} is a kustomization: put kubectl on PATH, or give the built manifests (`... | lint -`)", USAGE)
    built = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if built.returncode:
        raise CommandError(f"kubectl kustomize {folder}: {built.stderr.strip()}")
    return built.stdout


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise CommandError(f"{path} has more than {SIZE_LIMIT} bytes", USAGE)
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}", USAGE) from error


def _documents(origin: str, text: str) -> list[Manifest]:
    try:
        documents = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except (yaml.YAMLError, RecursionError) as error:
        raise CommandError(f"{origin} is not YAML: {' '.join(str(error).split())}") from error
    found: list[Manifest] = []
    for document in documents:
        if not isinstance(document, Mapping):
            raise CommandError(f"{origin} holds a document that is no Kubernetes object: {str(document)[:60]}")
        listed = document.get("items") if document.get("kind") == "List" else None
        found += [Manifest(origin, item) for item in listed or (document,)]
    return found
