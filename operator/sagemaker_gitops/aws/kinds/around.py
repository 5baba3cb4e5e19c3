"""What the runtime asks of a kind, and a kind around another one: everything goes through but what the outer one has a say in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sagemaker_gitops.core.actions import Action, Outcome
from sagemaker_gitops.core.errors import InvalidResource
from sagemaker_gitops.core.plan import Plan
from sagemaker_gitops.core.resource import Key, Snapshot


class Kind(Protocol):
    """One custom resource kind: parse and plan are pure, observe only reads, execute is idempotent by name."""

    name: str

    def parse(self, snapshot: Snapshot) -> Any:
        """The typed resource. Raises InvalidResource."""

    def invalid(self, snapshot: Snapshot, error: InvalidResource, now: datetime) -> Plan:
        """The plan for a resource that does not parse; a deleting one must stay deletable."""

    async def observe(self, snapshot: Snapshot, resource: Any, now: datetime) -> Any:
        """The facts. Raises AwsFailure."""

    def plan(self, snapshot: Snapshot, resource: Any, facts: Any, now: datetime) -> Plan: ...

    def forget(self, key: Key) -> None:
        """The object is gone, whoever let it go: keep nothing of it, and pass on the place it held."""

    async def execute(self, snapshot: Snapshot, resource: Any, action: Action) -> Outcome:
        """Raises AwsFailure."""


@dataclass(slots=True)
class Around:
    """`kind`, whole."""

    kind: Kind
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.kind.name

    def parse(self, snapshot: Snapshot) -> Any:
        return self.kind.parse(snapshot)

    def invalid(self, snapshot: Snapshot, error: InvalidResource, now: datetime) -> Plan:
        return self.kind.invalid(snapshot, error, now)

    async def observe(self, snapshot: Snapshot, resource: Any, now: datetime) -> Any:
        return await self.kind.observe(snapshot, resource, now)

    def plan(self, snapshot: Snapshot, resource: Any, facts: Any, now: datetime) -> Plan:
        return self.kind.plan(snapshot, resource, facts, now)

    def forget(self, key: Key) -> None:
        self.kind.forget(key)

    async def execute(self, snapshot: Snapshot, resource: Any, action: Action) -> Outcome:
        return await self.kind.execute(snapshot, resource, action)
