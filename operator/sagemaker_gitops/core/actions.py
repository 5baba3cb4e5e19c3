"""What a plan may ask the AWS adapter to do: data, never behaviour, so that `plan` and `render` can print it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class AwsRequest:
    """One mutating call. `service` and `operation` are botocore's names, `parameters` the request AWS receives.

    `subject` is the AWS name the call is about: the idempotency key of a create, the target of a stop. `announced`: status has to name it
    before AWS is told, because nothing else would find it again.
    """

    service: str
    operation: str
    subject: str
    parameters: Mapping[str, Any]
    announced: bool = False

    @property
    def creates(self) -> bool:
        """Whether the call makes something that costs money, has to be cleaned up or cannot be taken back: it needs a recorded intent."""
        return self.operation.startswith(("Create", "Start")) or self.operation == "Publish" or self.announced


@dataclass(frozen=True, slots=True)
class UploadSource:
    """Put the packed source at `uri`, a content-addressed S3 key: repeating it writes the same bytes."""

    uri: str
    files: Mapping[str, bytes]
    kms_key_arn: str | None = None


Action = AwsRequest | UploadSource


def creating(actions: Iterable[Action]) -> bool:
    """Whether one of them needs a recorded intent; an upload precedes what does."""
    return any(isinstance(action, UploadSource) or action.creates for action in actions)


class Outcome(StrEnum):
    """What an executed action found. EXISTS: the name is taken, perhaps by us; look before doing anything else."""

    DONE = "Done"
    EXISTS = "Exists"
