"""Evaluates every alarm on the clock of AWS time, and does what a change of state brings: history, event, actions.

As on AWS once a minute, every ten seconds when an alarm has a shorter period, over windows that end with the last whole minute.
SNS is told of a change only; a scaling policy is called at every evaluation while the state lasts ("Amazon CloudWatch user
guide, Alarm actions").
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from local_aws.alarm_actions import Rung
from local_aws.cloudwatch import messages, queries
from local_aws.cloudwatch.alarm import Alarm, Standing, as_history
from local_aws.cloudwatch.evaluation import EXTRA, Datapoint, State, evaluate
from local_aws.metric_store import MINUTE
from local_aws.services import Services
from local_aws.ticker import Ticker

_SHORT: Final = 10
_REPEATED: Final = "autoscaling"
_log = logging.getLogger(__name__)


class Evaluator:
    """`alarms` lists what is to be evaluated; `changed` is to be called when the list or a period has changed."""

    def __init__(self, services: Services, alarms: Callable[[], list[Alarm]]) -> None:
        self._services = services
        self._world = services.world
        self._alarms = alarms
        self._ticker = Ticker("alarms", self._world.clock, self._step, self.tick)

    def changed(self) -> None:
        self._ticker.again()

    def close(self) -> None:
        self._ticker.close()

    def tick(self) -> None:
        """One evaluation of every alarm."""
        now = self._world.clock.time()
        for source in tuple(self._services.metric_sources):
            source(now // MINUTE * MINUTE)
        for alarm in self._alarms():
            try:
                self.evaluate(alarm, now)
            except Exception:
                _log.exception("alarm %s could not be evaluated", alarm.name)

    def evaluate(self, alarm: Alarm, now: float) -> None:
        """One alarm, as of the last whole minute before `now` (ten seconds for a short period)."""
        with alarm.lock:
            points = list(self._points(alarm, now))
            verdict = evaluate(alarm.rule, points)
            state = verdict.state or alarm.standing.value
            before = alarm.standing.value
        latest = points[0].value if points else None
        if state != before:
            at = self._services.now()
            self.become(alarm, Standing(state, verdict.reason, messages.reason_data(alarm, verdict.evaluated, at), at), latest)
        else:
            self._repeat(alarm, state, latest)

    def become(self, alarm: Alarm, new: Standing, latest: float | None = None) -> None:
        """A state, by evaluation or by SetAlarmState; a change of it is told and acted on."""
        with alarm.lock:
            old, alarm.standing = alarm.standing, new
            if old.value == new.value:
                return
            data = {"version": "1.0", "oldState": as_history(old), "newState": as_history(new)}
            alarm.note(new.since, "StateUpdate", f"Alarm updated from {old.value} to {new.value}", data)
            actions = list(alarm.actions(new.value))
        self._services.events.publish(messages.SOURCE, messages.DETAIL_TYPE, [alarm.arn], messages.event(alarm, old, new))
        for action in actions:
            self._act(alarm, action, self._rung(alarm, old, new, latest), new.since)

    def _repeat(self, alarm: Alarm, state: State, latest: float | None) -> None:
        standing = alarm.standing
        for action in alarm.actions(state):
            if _kind(action) == _REPEATED:
                self._call(action, self._rung(alarm, standing, standing, latest))

    def _rung(self, alarm: Alarm, old: Standing, new: Standing, latest: float | None) -> Rung:
        world = self._world
        return Rung(
            alarm=alarm.name,
            state=new.value,
            subject=messages.subject(alarm, new, world.region),
            message=messages.message(alarm, old, new, world.account, world.region),
            latest=latest,
        )

    def _act(self, alarm: Alarm, action: str, rung: Rung, at: datetime) -> None:
        error = self._call(action, rung)
        data = {
            "actionState": "Succeeded" if error is None else "Failed",
            "stateUpdateTimestamp": int(at.timestamp() * 1000),
            "notificationResource": action,
            "publishedMessage": rung.message,
            "error": error,
        }
        done = f"Successfully executed action {action}"
        failed = f'Failed to execute action {action}. Received error: "{error}"'
        with alarm.lock:
            alarm.note(self._services.now(), "Action", done if error is None else failed, data)

    def _call(self, action: str, rung: Rung) -> str | None:
        """The error of an action that failed; None when it was done."""
        handler = self._services.alarm_actions.get(_kind(action))
        if handler is None:
            return "this local AWS does not carry out this kind of action"
        try:
            handler(action, rung)
        except Exception as error:
            _log.debug("action %s of alarm %s failed", action, rung.alarm, exc_info=True)
            return str(error)
        return None

    def _points(self, alarm: Alarm, now: float) -> Iterator[Datapoint]:
        """The periods of the evaluation range that have data, latest first; metric math tells no number of samples."""
        resolution = MINUTE if alarm.period >= MINUTE else _SHORT
        end, count = now // resolution * resolution, alarm.rule.periods + EXTRA
        metric = alarm.metric
        if metric is None:
            ((_, series),) = queries.results(self._services.metrics, alarm.queries, end - count * alarm.period, end, alarm.period)
            computed = ((age, end - age * alarm.period) for age in range(1, count + 1))
            yield from (Datapoint(start, age, series.points[start], 0) for age, start in computed if start in series.points)
            return
        assert alarm.statistic is not None, "an alarm on a metric has a statistic"
        for age in range(1, count + 1):
            start = end - age * alarm.period
            data = self._services.metrics.window(metric, start, start + alarm.period, alarm.request.get("Unit"))
            value = None if data is None else data.statistic(alarm.statistic)
            if data is not None and value is not None:
                yield Datapoint(start, age, value, data.count)

    def _step(self) -> float | None:
        """None without alarms."""
        alarms = self._alarms()
        if not alarms:
            return None
        return MINUTE if all(alarm.period >= MINUTE for alarm in alarms) else _SHORT


def _kind(action: str) -> str:
    """The service of an action's ARN."""
    return action.split(":")[2] if action.count(":") >= 3 else ""
