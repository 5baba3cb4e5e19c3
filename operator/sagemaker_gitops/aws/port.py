"""The one door to AWS: a scope and a call. aws/clients.py opens it for real, tests/simulation in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

SECONDS = "Seconds"
"""Member that an answer of sagemaker-runtime has besides AWS's own: how long it took until its last byte, the wait for a token left out."""


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a call is made: one tenant's role, one object. The last three become session tags."""

    account: str
    region: str
    role_arn: str
    external_id: str | None
    namespace: str
    kind: str
    name: str


class Aws(Protocol):
    """Every AWS call of the operator."""

    async def call(self, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """AWS's answer; streaming bodies are read and given as bytes. Raises core.errors.AwsFailure."""
