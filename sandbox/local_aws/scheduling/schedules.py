"""Schedules and scheduled rules: checked before moto keeps them, and carried out on the clock of AWS time.

moto knows neither what an expression means nor our clock: what is due is reckoned from the request, moto is asked whether the schedule
is still there and enabled. Sources: API references of CreateSchedule and PutRule; the words of the role and of a rule's
expression are AWS's, the others ours.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local_aws.errors import AwsError
from local_aws.model import operation_model
from local_aws.permissions import check_pass_role
from local_aws.scheduling import targets, when
from local_aws.scheduling.when import When
from local_aws.service import Call
from local_aws.ticker import Ticker
from local_aws.wire import validated
from local_aws.world import Hook, World

_PRINCIPAL: Final = "scheduler.amazonaws.com"
_ACTIONS: Final = {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}
_STEP: Final = 60.0
_AT_MOST: Final = 1000
"""Times that one jump of the clock brings about, of each schedule."""
_UTC: Final = ZoneInfo("UTC")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Kept:
    """One schedule or rule; `send` is told the moment, and returns False when it is gone for good."""

    when: When
    zone: ZoneInfo
    start: datetime
    end: datetime | None
    last: datetime
    send: Callable[[datetime], bool]


class Schedules:
    """Everything of one world that EventBridge does at a time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, ...], _Kept] = {}
        self._ticker = Ticker("schedules", world.clock, lambda: _STEP if self._kept else None, self._tick)

    def hooks(self) -> dict[tuple[str, str], Hook]:
        return {
            ("scheduler", "CreateSchedule"): self._put_schedule,
            ("scheduler", "UpdateSchedule"): self._put_schedule,
            ("events", "PutRule"): self._put_rule,
        }

    def close(self) -> None:
        self._ticker.close()

    def _put_schedule(self, call: Call) -> Callable[[], None]:
        params = _valid(call)
        expression = _parsed(params["ScheduleExpression"], f"Invalid Schedule Expression {params['ScheduleExpression']}.")
        zone = _zone(params.get("ScheduleExpressionTimezone", "UTC"))
        _check_window(params["FlexibleTimeWindow"])
        target = params["Target"]
        _check_target(target)
        check_pass_role(self._world, call.caller, target["RoleArn"])
        if not self._world.identity.service_may_assume(target["RoleArn"], _PRINCIPAL):
            raise _validation("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")
        key = ("schedule", params.get("GroupName", "default"), params["Name"])
        now = self._world.clock.now()
        start = params.get("StartDate", now).astimezone(UTC)
        # A rate counts from its creation or StartDate on, and is due at once.
        before = min(start, now) - timedelta.resolution
        kept = _Kept(expression, zone, start, params.get("EndDate"), before, lambda at: self._send_schedule(key, params, expression))
        return lambda: self._keep(key, kept)

    def _put_rule(self, call: Call) -> Callable[[], None] | None:
        params = _valid(call)
        text = params.get("ScheduleExpression")
        key = ("rule", params.get("EventBusName", "default").rpartition("/")[2], params["Name"])
        if not text:
            return lambda: self._forget(key)
        if text.startswith("at("):
            raise _validation("Parameter ScheduleExpression is not valid.")
        expression = _parsed(text, "Parameter ScheduleExpression is not valid.")
        if key[1] != "default":
            raise _validation("ScheduleExpression is supported only on the default event bus.")
        now = self._world.clock.now()
        kept = _Kept(expression, _UTC, now, None, now, lambda at: self._send_rule(params["Name"], at))
        return lambda: self._keep(key, kept)

    def _keep(self, key: tuple[str, ...], kept: _Kept) -> None:
        with self._lock:
            self._kept[key] = kept
        self._ticker.wake()

    def _forget(self, key: tuple[str, ...]) -> None:
        with self._lock:
            self._kept.pop(key, None)

    def _tick(self) -> None:
        until = self._world.clock.now()
        with self._lock:
            everything = list(self._kept.items())
        for key, kept in everything:
            last = until if kept.end is None else min(until, kept.end)
            due = list(kept.when.due(kept.last, last, kept.start, kept.zone))[-_AT_MOST:]
            kept.last = max(kept.last, until)
            for at in due:
                if not self._sent(kept, at):
                    self._forget(key)
                    break

    @staticmethod
    def _sent(kept: _Kept, at: datetime) -> bool:
        try:
            return kept.send(at)
        except Exception:
            _log.exception("a schedule's message was not sent")
            return True

    def _send_schedule(self, key: tuple[str, ...], params: Mapping[str, Any], expression: When) -> bool:
        from moto.scheduler.models import scheduler_backends

        _, group, name = key
        groups = scheduler_backends[self._world.account][self._world.region].schedule_groups
        schedule = groups[group].schedules.get(name) if group in groups else None
        if schedule is None:
            return False
        if schedule.state != "ENABLED":
            return True
        target = params["Target"]
        action = _ACTIONS[targets.service(target["Arn"])]
        if self._world.identity.decision(target["RoleArn"], action) is not None:
            _log.warning("schedule %s: %s may not %s", name, target["RoleArn"], action)
        else:
            # AWS sends this when a schedule has no Input.
            targets.send(self._world, target, target.get("Input", "") or "{}")
        if isinstance(expression, when.Once) and params.get("ActionAfterCompletion") == "DELETE":
            groups[group].delete_schedule(name)
            return False
        return True

    def _send_rule(self, name: str, at: datetime) -> bool:
        from moto.events.models import events_backends

        rule: Any = events_backends[self._world.account][self._world.region].event_buses["default"].rules.get(name)
        if rule is None or not rule.scheduled_expression:
            return False
        if rule.state != "ENABLED":
            return True
        body = json.dumps(_event(self._world, rule.arn, at))
        for target in list(rule.targets):
            if targets.service(target["Arn"]) in targets.SERVICES and not {"InputPath", "InputTransformer"} & target.keys():
                targets.send(self._world, target, target.get("Input") or body)
            else:
                _log.warning("rule %s: this local AWS does not send to %s", name, target["Arn"])
        return True


def _event(world: World, arn: str, at: datetime) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": world.account,
        "time": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": world.region,
        "resources": [arn],
        "detail": {},
    }


def _valid(call: Call) -> dict[str, Any]:
    """Parameters by the service model; the SDKs add the token that moto does not ask for."""
    model = operation_model(call.service, call.operation)
    assert model is not None, "hooks are of the model's operations"
    return validated(model, call.params, "json")


def _parsed(text: str, message: str) -> When:
    try:
        return when.parse(text)
    except ValueError as error:
        raise _validation(message) from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _validation(f"Invalid ScheduleExpressionTimezone {name}.") from error


def _check_window(window: Mapping[str, Any]) -> None:
    if (window["Mode"] == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        raise _validation("MaximumWindowInMinutes is required with Mode FLEXIBLE and not allowed with Mode OFF.")


def _check_target(target: Mapping[str, Any]) -> None:
    if targets.service(target["Arn"]) not in targets.SERVICES:
        raise _validation(f"Target.Arn {target['Arn']} is not supported in this local AWS: give an SQS queue or an SNS topic.")
    fifo = target["Arn"].endswith(".fifo") and targets.service(target["Arn"]) == "sqs"
    if fifo != ("SqsParameters" in target):
        raise _validation("SqsParameters.MessageGroupId is required with a FIFO queue and not allowed with another target.")


def _validation(message: str) -> AwsError:
    return AwsError("ValidationException", message)
