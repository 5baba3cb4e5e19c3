"""Fakes for the adapter tests: the port with scripted answers, and a time that moves only when somebody sleeps."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.core.errors import AwsFailure, Category

START = datetime(2026, 11, 21, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team-a"
SCOPE = Scope(ACCOUNT, REGION, ROLE, "external-7", "team-a", "TrainingRun", "digits")

Answer = Mapping[str, Any] | Exception


def scope(**changes: Any) -> Scope:
    """SCOPE with other members."""
    return replace(SCOPE, **changes)


def refused(category: Category, code: str = "Refused") -> AwsFailure:
    """A failure as the adapter raises it."""
    return AwsFailure(category, service="s3", operation="GetObject", code=code, message="no", request_id="r-1")


@dataclass
class HandTime:
    """Wall and monotonic clock moved by hand or by `sleep`; each pause is kept."""

    seconds: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


@dataclass
class FakeAws:
    """aws.port.Aws: `answer` gives a call's answer; the parameters are kept as they were at the call."""

    answer: Callable[[str, Mapping[str, Any]], Answer]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)

    async def call(self, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.scopes.append(scope)
        self.calls.append((f"{service}:{operation}", copy.deepcopy(dict(parameters))))
        found = self.answer(operation, parameters)
        if isinstance(found, Exception):
            raise found
        return dict(found)

    @property
    def operations(self) -> list[str]:
        return [name for name, _ in self.calls]


def scripted(*answers: Answer) -> FakeAws:
    """These answers one after another, whatever is asked."""
    left = list(answers)
    return FakeAws(lambda operation, parameters: left.pop(0))


class Enough(BaseException):
    """Ends an endless loop under test; not an Exception, so that nothing in the loop takes it."""


def sleeps_until(count: int, pauses: list[float]) -> Callable[[float], Awaitable[None]]:
    """A sleep that takes no time, notes the pause and raises Enough at the `count`-th."""
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) >= count:
            raise Enough
        await real(0)

    return sleep
