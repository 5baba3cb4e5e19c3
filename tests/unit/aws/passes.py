"""An object, pass by pass: the real kind over an AWS in memory, a clock moved by hand, crashes on demand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

from sagemaker_gitops.api.base import Model
from sagemaker_gitops.api.parse import read
from sagemaker_gitops.core.actions import AwsRequest, Outcome
from sagemaker_gitops.core.plan import Plan
from sagemaker_gitops.core.resource import FINALIZER, Snapshot


class Crash(BaseException):
    """The process ends here."""


class Timed(Protocol):
    """An AWS in memory, which has the clock."""

    now: datetime


class Passes:
    """`restart` makes `kind`; `said` is what every status is held against."""

    said: ClassVar[type[Model]]
    aws: Timed
    kind: Any
    snapshot: Snapshot

    def restart(self) -> None:
        """Another process: nothing is remembered."""
        raise NotImplementedError

    def later(self, **by: float) -> None:
        self.aws.now += timedelta(**by)

    def wipe(self) -> None:
        """What a restore from a backup without status does; with another process, as after such a restore."""
        self.snapshot = replace(self.snapshot, status={})
        self.restart()

    def delete(self) -> None:
        self.snapshot = replace(self.snapshot, deleting=True)

    def turn(self, *, crash_before: str = "", crash_after: str = "") -> Plan:
        """One pass, as the reconciler makes it: the intent is written before the first call."""
        return asyncio.run(self._turn(crash_before, crash_after))

    async def _turn(self, crash_before: str, crash_after: str) -> Plan:
        snapshot = self.snapshot
        resource = self.kind.parse(snapshot)
        facts = await self.kind.observe(snapshot, resource, self.aws.now)
        made: Plan = self.kind.plan(snapshot, resource, facts, self.aws.now)
        read(self.said, made.status)
        finalizers = (FINALIZER,) if made.finalizer else ()
        if made.creates:
            self.snapshot = replace(snapshot, status=made.status, finalizers=finalizers)
        for action, operation in zip(made.actions, operations(made), strict=True):
            if operation == crash_before:
                raise Crash
            outcome = await self.kind.execute(self.snapshot, resource, action)
            if operation == crash_after:
                raise Crash
            if outcome is Outcome.EXISTS:
                return made
        self.snapshot = replace(self.snapshot, status=made.status, finalizers=finalizers)
        return made

    def conditions(self) -> dict[str, str]:
        return {item["type"]: f"{item['status']} {item['reason']}" for item in self.snapshot.status.get("conditions", ())}


def operations(made: Plan) -> list[str]:
    return [action.operation if isinstance(action, AwsRequest) else "UploadSource" for action in made.actions]
