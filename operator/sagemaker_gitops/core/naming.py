"""Every name, key, tag and token the operator gives to something in AWS: content, never a UID and never a time.

The algorithm is part of the contract with what already runs: `ALGORITHM` changes when a name would (failure-modes.md F10).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from sagemaker_gitops.core.resource import GROUP, Key

ALGORITHM = "1"
TAG_LIMIT = 40  # tags of a user and a Tenant together: AWS allows 50, ten are kept for our own
KEY_LENGTH = 10  # 50 bits; an equal key of another object is caught by the owner tags
JOB_NAME_LIMIT = 63  # CreateTrainingJob, CreateProcessingJob; Glue allows 255
_TOKEN_NAMESPACE = uuid.UUID("6f0c1f0e-6a3b-5b0e-9d43-0d2a4c1f7b10")

TAG_PREFIX = f"{GROUP}/"
TAG_INSTALL = f"{GROUP}/install"
TAG_NAMESPACE = f"{GROUP}/namespace"
TAG_NAME = f"{GROUP}/name"
TAG_KIND = f"{GROUP}/kind"
TAG_STEP = f"{GROUP}/step"
TAG_KEY = f"{GROUP}/spec-hash"
TAG_ATTEMPT = f"{GROUP}/attempt"
TAG_REVISION = f"{GROUP}/git-revision"
TAG_MEMORY = f"{GROUP}/tag-keys"
TAG_ARTIFACT = f"{GROUP}/artifact-etag"
TAG_ADOPTED = f"{GROUP}/adopted"
OWNER_TAGS = (TAG_INSTALL, TAG_NAMESPACE, TAG_NAME, TAG_KIND)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal meaning, equal text. NaN and infinities are refused (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def files_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over file names and contents, in hex; independent of order, archive format and time."""
    return digest({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})


def content_key(value: Any) -> str:
    """The short key of a content: lower-case base32, so that it is valid in every AWS name, also case-insensitive ones."""
    raw = hashlib.sha256(canonical([ALGORITHM, value]).encode()).digest()
    return base64.b32encode(raw).decode().lower()[:KEY_LENGTH]


def aws_name(owner: Key, step: str, key: str, limit: int = JOB_NAME_LIMIT) -> str:
    """`<namespace>-<name>-<step>-<key>`, cut to `limit` by shortening the readable part first."""
    tail = f"-{step}-{key}"
    return readable(owner)[: limit - len(tail)].rstrip("-") + tail


def readable(owner: Key) -> str:
    """The part of a name that people recognise, at most 40 characters: every job of `owner` contains it."""
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{owner.namespace}-{owner.name}").strip("-")[:40].rstrip("-")


def token(key: str) -> str:
    """A ClientToken of at most 36 characters that is the same on every attempt; the SDK's own default is random."""
    return str(uuid.uuid5(_TOKEN_NAMESPACE, key))


def owner_tags(install: str, owner: Key, *, step: str, key: str, attempt: int, revision: str) -> dict[str, str]:
    """Tags given at creation. The first four prove ownership; the others say where the thing came from."""
    tags = {
        TAG_INSTALL: install,
        TAG_NAMESPACE: owner.namespace,
        TAG_NAME: owner.name,
        TAG_KIND: owner.kind,
        TAG_STEP: step,
        TAG_KEY: key,
        TAG_ATTEMPT: str(attempt),
    }
    return tags | ({TAG_REVISION: revision} if revision else {})


def tag_mark(key: str) -> str:
    """Five letters for a tag key: a tag's value has no character that a key could not have too, so keys cannot be listed in one."""
    return content_key(key)[:5]


def tag_memory(keys: Iterable[str]) -> dict[str, str]:
    """The tag that says which keys a user gave: only those are ever removed again. At most 240 of the 256 characters of a value."""
    marks = sorted({tag_mark(key) for key in keys})
    return {TAG_MEMORY: " ".join(marks)} if marks else {}


def owned_by(tags: Mapping[str, str], install: str, owner: Key) -> bool:
    """Whether the tags say that `owner` in this installation made the thing."""
    wanted = {TAG_INSTALL: install, TAG_NAMESPACE: owner.namespace, TAG_NAME: owner.name, TAG_KIND: owner.kind}
    return all(tags.get(key) == value for key, value in wanted.items())


def owner_of(tags: Mapping[str, str], install: str) -> Key | None:
    """The object that the tags name, if this installation made the thing."""
    if tags.get(TAG_INSTALL) != install or any(tag not in tags for tag in OWNER_TAGS):
        return None
    return Key(tags[TAG_KIND], tags[TAG_NAMESPACE], tags[TAG_NAME])
