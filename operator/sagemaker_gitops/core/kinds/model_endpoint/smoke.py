"""The call that a new version must pass before it serves (docs/decisions, "Where a smoke test is made").

It is made behind an endpoint of its own, the stand: the wanted config with one instance for each variant, and without what belongs
to production (data capture, the queue of an asynchronous endpoint). status.smokeTest remembers the verdict, so that no test is
made twice, and the stand, so that none is forgotten. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from sagemaker_gitops.api.endpoint_modes import DEFAULT_CONTENT_TYPE, DEFAULT_STATUS, Expectation
from sagemaker_gitops.api.fields import duration
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.conditions import Condition, bounded, reconciling, stalled, timestamp
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    Answered,
    Call,
    EndpointFact,
    EndpointState,
    ForeignEndpoint,
    LiveEndpoint,
    NoEndpoint,
    Refused,
    Unanswered,
)
from sagemaker_gitops.core.kinds.model_endpoint.requests import create_config, create_models, delete_config, delete_endpoint
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving, endpoint_name
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, shown
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.plan import After, OnEvent, Plan
from sagemaker_gitops.core.resource import Key

CONDITION = "SmokeTestPassed"
BUSY_DELAY, UNKNOWN_DELAY, MISSING_DELAY = 30.0, 300.0, 300.0
DELETING_DELAY = 5.0  # seconds until a stand is gone, of which AWS sends no event
DEADLINE = timedelta(hours=1)  # how long the stand waits, at somebody's expense, for AWS to pass a request on
NOT_FOR_A_TEST = ("DataCaptureConfig", "AsyncInferenceConfig")
LOG_GROUP = "/aws/sagemaker/Endpoints/"


class Verdict(StrEnum):
    """status.smokeTest.state."""

    RUNNING = "Running"
    PASSED = "Passed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Move:
    """What a test needs next. `record` becomes status.smokeTest; `delay` in seconds, None: an event or a change of the ConfigMap wakes."""

    verdict: Verdict
    reason: str
    message: str
    record: Mapping[str, Any] | None
    actions: tuple[Action, ...] = ()
    delay: float | None = None

    def condition(self) -> Condition:
        words = {Verdict.RUNNING: "Unknown", Verdict.PASSED: "True", Verdict.FAILED: "False"}
        return Condition(CONDITION, words[self.verdict], self.reason, self.message)  # type: ignore[arg-type]


def stand_name(install: str, owner: Key) -> str:
    """The endpoint that exists only for the test."""
    return f"{endpoint_name(install, owner)}-smoke"


def stand_config(owner: Key, config: str) -> str:
    """The config of the stand for the test of `config`."""
    return naming.aws_name(owner, "smoke", naming.content_key(config))


def recorded(status: Mapping[str, Any]) -> dict[str, Any]:
    """status.smokeTest, whoever wrote it."""
    found = status.get("smokeTest")
    return dict(found) if isinstance(found, Mapping) else {}


def key_of(serving: Serving, payload: str) -> str:
    """Another config, payload or expectation is another test; `payload` is the body's digest."""
    test = serving.spec.smoke_test
    assert test is not None
    wanted = test.expect or Expectation()
    return naming.content_key([serving.config_name, payload, test.content_type, wanted.status, wanted.max_latency])


def content_type(serving: Serving) -> str:
    test = serving.spec.smoke_test
    return (test.content_type if test is not None else None) or DEFAULT_CONTENT_TYPE


def is_due(status: Mapping[str, Any], serving: Serving, live: EndpointFact | None, payload: str) -> bool:
    """Whether the wanted version has yet to pass. What has served before needs no test: going back must not take longer. A version
    that serves is tested again only when it was tested with something else.
    """
    if serving.spec.smoke_test is None:
        return False
    record, wanted = recorded(status), serving.config_name
    known = record.get("key") == key_of(serving, payload) and record.get("state") in (Verdict.PASSED, Verdict.FAILED)
    if isinstance(live, LiveEndpoint) and live.config == wanted:
        return record.get("config") == wanted and bool(payload) and not known
    past = [status.get("lastGood"), *(status.get("history") or ())]
    return not known and not any(isinstance(item, Mapping) and item.get("config") == wanted for item in past)


def satisfies(expected: Expectation | None, call: Call) -> bool:
    """Whether one call is as it should be."""
    return isinstance(call, Answered) and not _complaint(expected, call)


def gate(here: Pass, serving: Serving, live: LiveEndpoint | None) -> Plan | None:
    """None: the wanted version may be brought into service. What serves is not touched either way."""
    move = next_move(here, serving, live)
    if move is None or (move.verdict is Verdict.PASSED and not move.actions and move.delay is None):
        return None
    conditions = stalled(move.reason, move.message) if move.verdict is Verdict.FAILED else reconciling(move.reason, move.message)
    phase = ("InService" if live is not None else "Failed") if move.verdict is Verdict.FAILED else "Testing"
    status = here.say(phase, [*conditions, move.condition()], **shown(serving, live) | {"smokeTest": move.record})
    return Plan(status, OnEvent() if move.delay is None else After(move.delay), move.actions)


def next_move(here: Pass, serving: Serving, live: LiveEndpoint | None) -> Move | None:
    """What the test of the wanted version, or the end of another one, needs next; None: nothing, and nothing is known of it."""
    status, facts = here.snapshot.status, here.facts.smoke
    record = recorded(status)
    if is_due(status, serving, live, facts.payload):
        return _tested(here, serving, record)
    gone = _dismantled(here, record)
    told = _told(record) if serving.spec.smoke_test is not None and record.get("config") == serving.config_name else None
    if gone is None or told is None:
        return gone or told
    return replace(told, record=gone.record, actions=gone.actions, delay=gone.delay)


def tidied(here: Pass, plan: Plan) -> Plan:
    """`plan`, which has nothing to do with a test, and the end of a stand that one left: it costs money by the second."""
    move = _dismantled(here, recorded(here.snapshot.status))
    if move is None:
        return plan
    status = {name: value for name, value in {**plan.status, "smokeTest": move.record}.items() if value is not None}
    return replace(plan, status=status, requeue=After(move.delay or BUSY_DELAY), actions=(*plan.actions, *move.actions))


def _told(record: Mapping[str, Any]) -> Move | None:
    state = record.get("state")
    if state not in (Verdict.PASSED, Verdict.FAILED):
        return None
    reason = "SmokeTestPassed" if state == Verdict.PASSED else "SmokeTestFailed"
    return Move(Verdict(state), reason, str(record.get("message", "")), record)


def _tested(here: Pass, serving: Serving, record: dict[str, Any]) -> Move:
    facts, name = here.facts.smoke, stand_name(serving.install, serving.owner)
    if not facts.payload:
        return _dismantled(here, record) or Move(Verdict.RUNNING, "PayloadMissing", facts.missing, record or None, delay=MISSING_DELAY)
    wanted = stand_config(serving.owner, serving.config_name)
    stand, key = facts.stand, key_of(serving, facts.payload)
    begun = record if record.get("key") == key else {"startedAt": timestamp(here.now)}
    running = {**begun, "key": key, "config": serving.config_name, "endpoint": name, "state": Verdict.RUNNING.value}
    match stand:
        case None | NoEndpoint():
            left = record.get("config") if record.get("endpoint") else None
            leftover = (delete_config(stand_config(serving.owner, left)),) if left not in (None, serving.config_name) else ()
            actions = (*leftover, *create_models(serving), *_stand(serving, name, wanted))
            message = f"{serving.config_name} is tested behind {name} before it serves"
            return Move(Verdict.RUNNING, "SmokeTest", message, running, actions, BUSY_DELAY)
        case ForeignEndpoint(owner):
            message = f"{name}, where the smoke test is to be made, exists and belongs to {owner}: nothing is done with it"
            return Move(Verdict.FAILED, "NameConflict", message, record or None)
        case LiveEndpoint():
            return _on_stand(here, serving, stand, running) if stand.config == wanted else _taken_down(stand, name, record)
        case _:
            assert_never(stand)


def _on_stand(here: Pass, serving: Serving, stand: LiveEndpoint, running: dict[str, Any]) -> Move:
    name = str(running["endpoint"])
    match stand.state:
        case EndpointState.BUSY:
            return Move(Verdict.RUNNING, "SmokeTest", f"{name} is {stand.raw}", running, delay=BUSY_DELAY)
        case EndpointState.UNKNOWN:
            return Move(Verdict.RUNNING, "SmokeTest", f"{name} is {stand.raw}, which is not known", running, delay=UNKNOWN_DELAY)
        case EndpointState.FAILED:
            return _judged(here, running, f"does not start: {stand.reason or 'AWS gives no reason'}", [])
        case EndpointState.IN_SERVICE:
            return _called(here, serving, running)
        case _:
            assert_never(stand.state)


def _called(here: Pass, serving: Serving, running: dict[str, Any]) -> Move:
    test = serving.spec.smoke_test
    assert test is not None
    calls = here.facts.smoke.calls
    if not calls:
        return Move(Verdict.RUNNING, "SmokeTest", f"{running['endpoint']} is being called", running, delay=BUSY_DELAY)
    unanswered = [f"{name}: {call.message}" for name, call in calls.items() if isinstance(call, Unanswered)]
    if unanswered and not _overdue(here.now, running):
        return Move(Verdict.RUNNING, "SmokeTest", "; ".join(unanswered), running, delay=BUSY_DELAY)
    entries = [_entry(name, call) for name, call in calls.items()]
    complaints = {name: _complaint(test.expect, call) for name, call in calls.items()}
    return _judged(here, running, "; ".join(f"variant {name} {words}" for name, words in complaints.items() if words), entries)


def _judged(here: Pass, running: Mapping[str, Any], complaint: str, entries: list[dict[str, Any]]) -> Move:
    """The verdict is written down first; the next pass takes the stand down."""
    verdict = Verdict.FAILED if complaint else Verdict.PASSED
    hint = f" (its log: CloudWatch {LOG_GROUP}{running['endpoint']})"
    told = f"{running['config']} {complaint}{hint}: change the model, or the test" if complaint else f"{running['config']} passed"
    message = bounded(told)
    record = {**running, "state": verdict.value, "finishedAt": timestamp(here.now), "message": message, "variants": entries or None}
    reason = "SmokeTestFailed" if complaint else "SmokeTestPassed"
    return Move(verdict, reason, message, {name: value for name, value in record.items() if value is not None}, delay=0.0)


def _complaint(expected: Expectation | None, call: Call) -> str:
    """What is wrong with one call; empty when nothing is."""
    wanted = expected or Expectation()
    match call:
        case Answered(status, seconds, message):
            if status != (wanted.status or DEFAULT_STATUS):
                said = f": {message}" if message else ""
                return f"answered {status} instead of {wanted.status or DEFAULT_STATUS}{said}"
            if wanted.max_latency is not None and seconds > wanted.max_latency:
                return f"took {seconds:.2f} s, longer than {duration(wanted.max_latency)}"
            return ""
        case Refused(message) | Unanswered(message):
            return f"could not be called: {message}"
        case _:
            assert_never(call)


def _entry(name: str, call: Call) -> dict[str, Any]:
    if isinstance(call, Answered):
        return {"name": name, "status": call.status, "latency": f"{call.seconds:.3f}s"}
    return {"name": name}


def _dismantled(here: Pass, record: Mapping[str, Any]) -> Move | None:
    """The next step towards no stand; None when there is none. Nothing is known without a Tenant, and nothing done. Only the name that
    the object leads to is deleted: status may have been written by anybody.
    """
    stand, config = here.facts.smoke.stand, record.get("config")
    if not record.get("endpoint") or stand is None:
        return None
    if isinstance(stand, LiveEndpoint):
        return _taken_down(stand, stand_name(here.settings.install, here.snapshot.key), record)
    forgotten = {name: value for name, value in record.items() if name != "endpoint"}
    decided = forgotten.get("state") in (Verdict.PASSED, Verdict.FAILED)
    actions = (delete_config(stand_config(here.snapshot.key, str(config))),) if isinstance(stand, NoEndpoint) else ()
    return _still(forgotten if decided else None, "the endpoint of the smoke test is gone", actions, 0.0)


def _taken_down(stand: LiveEndpoint, name: str, record: Mapping[str, Any]) -> Move:
    if stand.state is EndpointState.BUSY:
        delay = DELETING_DELAY if stand.raw == "Deleting" else BUSY_DELAY
        return _still(record or None, f"waiting for the endpoint of the smoke test, which is {stand.raw}", (), delay)
    return _still(record or None, "the endpoint of the smoke test is being deleted", (delete_endpoint(name),), DELETING_DELAY)


def _still(record: Mapping[str, Any] | None, doing: str, actions: tuple[AwsRequest, ...], delay: float) -> Move:
    """A step of tidying up."""
    return Move(Verdict.RUNNING, "SmokeTest", doing, record, actions, delay)


def _overdue(now: datetime, running: Mapping[str, Any]) -> bool:
    begun = moment(running.get("startedAt"))
    return begun is not None and now - begun > DEADLINE


def _stand(serving: Serving, name: str, config: str) -> tuple[AwsRequest, ...]:
    """CreateEndpointConfig and CreateEndpoint of the stand."""
    production = create_config(serving).parameters
    variants = [_smallest(variant) for variant in production["ProductionVariants"]]
    parameters = {member: value for member, value in production.items() if member not in NOT_FOR_A_TEST}
    parameters |= {"EndpointConfigName": config, "ProductionVariants": variants, "Tags": serving.tags("smoke", config)}
    endpoint = {"EndpointName": name, "EndpointConfigName": config, "Tags": serving.tags("smoke", name)}
    return (
        AwsRequest("sagemaker", "CreateEndpointConfig", config, parameters),
        AwsRequest("sagemaker", "CreateEndpoint", name, endpoint),
    )


def _smallest(variant: Mapping[str, Any]) -> dict[str, Any]:
    """One instance, or one request at a time."""
    if "ServerlessConfig" in variant:
        return {**variant, "ServerlessConfig": {**variant["ServerlessConfig"], "MaxConcurrency": 1}}
    return {**variant, "InitialInstanceCount": 1}
