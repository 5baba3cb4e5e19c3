"""AWS in memory behind the operator's own port: strict, eventually consistent, with a ledger. Services are in aws_*.py.

Refusals are AWS's own words, made by aws.errors.failure, so that the operator's real classification table judges them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sagemaker_gitops.aws.errors import failure, mutates, unanswered
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.core.errors import AwsFailure
from tests.simulation.clock import Agenda, VirtualClock, breath
from tests.simulation.gate import Fault, Gate
from tests.simulation.ledger import Entry, Ledger

LATEST_CREATE = 200.0  # seconds a create may be under way after the client gave up; the operator's quarantine is 300
LATEST_START = 60.0  # the same for StartJobRun, of whose quarantine of 120 s the list lag takes up to 50
LATEST_DELETE = 25.0  # the same for deletions; an object's absence is looked at twice, 30 s apart


class Refused(Exception):
    """A service's refusal: code and message in AWS's words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job will go: seconds it takes, whether it succeeds, and AWS's reason if it does not."""

    seconds: float
    succeeds: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Executed:
    """A call of SageMaker that changes something, when AWS came to it; `error` is the code of a refusal."""

    at: float
    operation: str
    parameters: Mapping[str, Any]
    error: str = ""


@dataclass(slots=True)
class Context:
    """What the services share. `lag` draws a replica's delay in seconds, `emit` sends an EventBridge event; `sent` is when the request was
    that is executed, if not now.
    """

    clock: VirtualClock
    agenda: Agenda
    random: random.Random
    ending: Callable[[Mapping[str, str], Mapping[str, Any]], Ending]
    emit: Callable[[str, str], None]
    describe_lag: float = 0.0
    list_lag: float = 0.0
    ledger: Ledger = field(default_factory=Ledger)
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    looks: list[tuple[float, str, bool]] = field(default_factory=list)
    sent: float | None = None
    executed: list[Executed] = field(default_factory=list)

    @property
    def now(self) -> float:
        return self.clock.seconds

    def lags(self) -> tuple[float, float]:
        """(describe, list) delays of one new resource."""
        return self.random.uniform(0.0, self.describe_lag), self.random.uniform(0.0, self.list_lag)

    def looked(self, name: str, active: bool) -> None:
        """Somebody read the state of a job: the evidence on which a finalizer may go."""
        self.looks.append((self.now, name, active))

    def accept(self, operation: str, identity: str) -> None:
        self.ledger.entries.append(self._entry(operation, identity, True))

    def refuse(self, operation: str, identity: str, code: str, message: str) -> Refused:
        self.ledger.entries.append(self._entry(operation, identity, False))
        return Refused(code, message)

    def _entry(self, operation: str, identity: str, accepted: bool) -> Entry:
        return Entry(self.now, operation, identity, accepted, self.now if self.sent is None else self.sent)


Handler = Callable[[Mapping[str, Any]], dict[str, Any]]
Tags = dict[str, str]
Requested = Callable[[str, Mapping[str, Any]], None]


class Service(Protocol):
    """One AWS service, or a part of one. A new one is a file of its own and a line in world.py."""

    def handlers(self) -> Mapping[str, Handler]:
        """By "service:Operation"."""

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        """Who answers sagemaker:ListTags, by the resource type in the ARN; a resource that is not there is Refused."""


class FakeAws:
    """aws.port.Aws. `requested` is told every mutation as it is sent; `strict` validates every request against botocore's model."""

    def __init__(self, context: Context, gate: Gate, services: Sequence[Service], requested: Requested, *, strict: bool = False) -> None:
        self._context = context
        self._gate = gate
        self._handlers = {name: handler for service in services for name, handler in service.handlers().items()}
        self._handlers |= {
            "sagemaker:ListTags": self._list_tags,
            "sagemaker:AddTags": self._add_tags,
            "sagemaker:DeleteTags": self._delete_tags,
        }
        self._tagged = {type_: tags for service in services for type_, tags in service.tagged().items()}
        self._requested = requested
        self._strict = strict
        self.calls = 0
        self.mutations = 0
        self.pending = 0
        self.late = 0

    async def call(self, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.calls += 1
        self.mutations += mutates(operation)
        if self._strict and (findings := validate(service, operation, parameters)):
            raise AssertionError(f"{service}:{operation}: {findings}")
        await breath()
        fault = self._gate.enter(f"{service}:{operation}")
        if mutates(operation):
            self._requested(operation, parameters)
        if fault is Fault.ERROR:
            raise failure(service, operation, "InternalFailure", "We encountered an internal error. Please try again.", 500)
        if fault is Fault.REFUSED:
            raise failure(service, operation, "ThrottlingException", "Rate exceeded", 400)
        if fault is Fault.LATE and mutates(operation):
            self._later(service, operation, parameters)
            raise unanswered(service, operation, TimeoutError("Read timeout"))
        answer = self._execute(service, operation, parameters)
        self._gate.leave(fault)
        if fault in (Fault.LOST, Fault.LATE):
            raise unanswered(service, operation, TimeoutError("Read timeout"))
        if isinstance(answer, AwsFailure):
            raise answer
        return answer

    def by_hand(self, operation: str, parameters: Mapping[str, Any]) -> str:
        """Somebody calls SageMaker past the operator: AWS's refusal, or nothing."""
        answer = self._execute("sagemaker", operation, parameters)
        return answer.message if isinstance(answer, AwsFailure) else ""

    def _list_tags(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tags_of(parameters).items()]}

    def _add_tags(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        held = self._tags_of(parameters)
        held |= {tag["Key"]: tag["Value"] for tag in parameters["Tags"]}
        return {"Tags": []}

    def _delete_tags(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        held = self._tags_of(parameters)
        for name in parameters["TagKeys"]:
            held.pop(name, None)
        return {}

    def _tags_of(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        type_, _, name = parameters["ResourceArn"].rpartition(":")[2].partition("/")
        return self._tagged[type_](name)

    def _later(self, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """The request is under way: AWS executes it when the client has long given up (failure-modes.md A7)."""
        self.pending += 1
        self.late += 1
        sent = self._context.now

        def execute() -> None:
            self.pending -= 1
            self._context.sent = sent
            self._execute(service, operation, parameters)
            self._context.sent = None

        ends = operation.startswith(("Delete", "Deregister"))
        longest = LATEST_START if operation == "StartJobRun" else LATEST_DELETE if ends else LATEST_CREATE
        self._context.agenda.add(self._context.random.uniform(0.0, longest), execute)

    def _execute(self, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any] | AwsFailure:
        try:
            answer = self._handlers[f"{service}:{operation}"](parameters)
            self._note(service, operation, parameters)
            return answer
        except Refused as refused:
            self._note(service, operation, parameters, refused.code)
            status = 404 if refused.code == "404" else 400
            return failure(service, operation, refused.code, refused.message, status)

    def _note(self, service: str, operation: str, parameters: Mapping[str, Any], error: str = "") -> None:
        if service == "sagemaker" and mutates(operation):
            self._context.executed.append(Executed(self._context.now, operation, parameters, error))
