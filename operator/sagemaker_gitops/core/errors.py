"""The vocabulary of failure shared by every layer; aws/errors.py maps AWS's codes and messages onto it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Category(StrEnum):
    """What to do about an AWS error, not what it is called."""

    TRANSIENT = "Transient"  # back off and try again
    THROTTLED = "Throttled"  # the same, and slow the shared bucket
    BLOCKED = "Blocked"  # IAM, credentials or a quota: a human acts; retry slowly
    TERMINAL = "Terminal"  # the request is wrong: wait for a new generation
    NOT_FOUND = "NotFound"
    EXISTS = "Exists"
    BUSY = "Busy"  # the resource's present state forbids the call


class AwsFailure(Exception):
    """An AWS call that did not succeed, classified.

    `ambiguous`: the request may have been executed (timeout, reset, 5xx on a mutation); repeat only what the name makes safe.
    `message` is one line, at most 1,000 characters, redacted. `withdrawn`: members of status as they are now that AWS has certainly not
    done what they announce.
    """

    def __init__(
        self,
        category: Category,
        *,
        service: str,
        operation: str,
        code: str,
        message: str,
        request_id: str = "",
        ambiguous: bool = False,
    ) -> None:
        super().__init__(f"{service}:{operation} {code}: {message}")
        self.category = category
        self.service = service
        self.operation = operation
        self.code = code
        self.message = message
        self.request_id = request_id
        self.ambiguous = ambiguous
        self.withdrawn: Mapping[str, Any] = {}


class ModelFailure(AwsFailure):
    """Not AWS but a model behind an endpoint answered with an error: `status` is its own HTTP status, after `seconds`."""

    def __init__(self, message: str, status: int, seconds: float, request_id: str = "") -> None:
        super().__init__(
            Category.TERMINAL,
            service="sagemaker-runtime",
            operation="InvokeEndpoint",
            code="ModelError",
            message=message,
            request_id=request_id,
        )
        self.status = status
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a resource: where, what, and how to mend it. The same words in API server, lint and status."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class InvalidResource(Exception):
    """The resource cannot be acted upon until its spec changes."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = findings
