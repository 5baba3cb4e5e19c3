"""Which interpreter of this machine stands for which container image.

There is no Docker here: an image URI is matched by its repository name against `images.yaml`, entries of a file given
at start, and entries registered while running; the newest entry wins. One process has one mapping, because the
interpreters belong to the machine.
"""

from __future__ import annotations

import fnmatch
import hashlib
import importlib.util
import json
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

_BUILT_IN = Path(__file__).with_name("images.yaml")
_URI = re.compile(
    r"(?P<registry>[^/\s]+\.[^/\s]+|localhost(?::\d+)?)/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_VERSION = re.compile(r"\d+(?:\.\d+)*(?:-\d+)?(?![\w.])")
# AWS's own words: https://github.com/aws/sagemaker-python-sdk/issues/1968
_PULL_FAILED = "Cannot pull algorithm container. Either the image does not exist or its permissions are incorrect."


class UnknownImageError(LookupError):
    """No interpreter stands for the image; the text is fit for a FailureReason after `ClientError: `."""


@dataclass(frozen=True, slots=True)
class Image:
    """What runs instead of an image.

    `interpreter` None is the Python of the local AWS, forked from the zygote. `digest` is sha256 over the mapping entry,
    the same wherever the entry is the same. `version` comes from the tag (empty if it has none) and is not what is
    installed; `notes` says so. `command` is the image's own, of a processing job that names no other; empty: it has none.
    """

    kind: str
    framework: str
    version: str
    interpreter: Path | None
    digest: str
    framework_module: str
    notes: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a mapping file; the names are explained in `images.yaml`."""

    repositories: tuple[str, ...]
    kind: str
    framework: str = ""
    requires: tuple[str, ...] = ()
    interpreter: str | None = None
    own_process: bool = False
    framework_module: str = ""
    notes: str = ""
    command: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """`sha256:` and 64 digits."""
        said = {name: value for name, value in asdict(self).items() if name != "command" or value}
        return "sha256:" + hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def matches(self, uri: str, repository: str) -> bool:
        """Whether the entry is for this image: by the whole URI or by the name of the repository."""
        return any(fnmatch.fnmatchcase(uri, p) or fnmatch.fnmatchcase(repository, p) for p in self.repositories)


@dataclass(slots=True)
class Images:
    """A mapping of images to interpreters."""

    entries: list[Entry]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, entries: Sequence[Entry]) -> None:
        """Put entries before those there are."""
        with self._lock:
            self.entries = [*entries, *self.entries]

    def resolve(self, image_uri: str) -> Image:
        """The stand-in of an image. UnknownImageError names the image and what there is instead."""
        parsed = _URI.fullmatch(image_uri)
        if parsed is None:
            raise UnknownImageError(f"{_PULL_FAILED} {image_uri!r} is not registry/repository[:tag][@sha256:digest].")
        lacking = ""
        for entry in tuple(self.entries):
            if entry.matches(image_uri, parsed["repository"]):
                lacking = _lacks(entry)
                if not lacking:
                    return _image(entry, parsed["tag"] or "")
                break
        raise UnknownImageError(f"{_PULL_FAILED} {image_uri}: {lacking or 'no entry for this repository'}. {self._offer()}")

    def _offer(self) -> str:
        names = sorted({name for entry in self.entries if not _lacks(entry) for name in entry.repositories})
        return f"The local AWS runs {', '.join(names)}; add others to a mapping file or with images.register()."


def _image(entry: Entry, tag: str) -> Image:
    interpreter = entry.interpreter or (_own_interpreter() if entry.own_process else None)
    version = _VERSION.match(tag)
    return Image(
        kind=entry.kind,
        framework=entry.framework,
        version=version.group() if version else "",
        interpreter=None if interpreter is None else Path(interpreter),
        digest=entry.digest,
        framework_module=entry.framework_module,
        notes=entry.notes,
        command=entry.command,
    )


def _lacks(entry: Entry) -> str:
    """What this machine lacks for the entry; empty when nothing."""
    if entry.interpreter is not None:
        usable = os.access(entry.interpreter, os.X_OK)
        return "" if usable else f"its interpreter {entry.interpreter} does not exist or is not executable"
    missing = [name for name in entry.requires if importlib.util.find_spec(name) is None]
    return f"{', '.join(missing)} is not installed beside the local AWS" if missing else ""


def _own_interpreter() -> str:
    return sys.executable


_KEYS: Mapping[str, tuple[str, type]] = {
    "repositories": ("repositories", list),
    "kind": ("kind", str),
    "framework": ("framework", str),
    "requires": ("requires", list),
    "interpreter": ("interpreter", str),
    "ownProcess": ("own_process", bool),
    "frameworkModule": ("framework_module", str),
    "notes": ("notes", str),
    "command": ("command", list),
}


def read(path: Path) -> list[Entry]:
    """The entries of a mapping file. ValueError names the file, the entry and the field."""
    document = yaml.safe_load(path.read_text())
    listed = document.get("images") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError(f"{path}: needs a list under `images`")
    return [_entry(f"{path}: images[{index}]", raw) for index, raw in enumerate(listed)]


def _entry(where: str, raw: object) -> Entry:
    if not isinstance(raw, dict):
        raise ValueError(f"{where}: must be a mapping with `repositories` and `kind`")
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in _KEYS:
            raise ValueError(f"{where}.{key}: unknown; use one of {', '.join(_KEYS)}")
        name, kind = _KEYS[key]
        if not isinstance(value, kind):
            raise ValueError(f"{where}.{key}: must be a {kind.__name__}, is {value!r}")
        values[name] = tuple(value) if isinstance(value, list) else value
    missing = {"repositories", "kind"} - values.keys()
    if missing:
        raise ValueError(f"{where}: {', '.join(sorted(missing))} is missing")
    return Entry(**values)


_images = Images(read(_BUILT_IN))


def resolve(image_uri: str) -> Image:
    """The stand-in of an image in this process's mapping. UnknownImageError (a LookupError) when there is none."""
    return _images.resolve(image_uri)


def load(path: Path) -> None:
    """Add the entries of a user's mapping file, before those there are. ValueError as `read`."""
    _images.add(read(path))


def register(uri: str, interpreter: Path, kind: str = "python") -> None:
    """Let `interpreter` stand for an image: a whole URI or the name of a repository, shell patterns allowed."""
    _images.add([Entry(repositories=(uri,), kind=kind, interpreter=str(interpreter))])
