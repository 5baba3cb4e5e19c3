"""What an ended check means: its entry in status.checks, and what Ready and DataAvailable say afterwards. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker_gitops.api.monitor_policy import DEFAULT_POLICY_HISTORY
from sagemaker_gitops.core.conditions import Condition, bounded, ready, stalled, suspended, timestamp
from sagemaker_gitops.core.kinds.monitor_policy.alarms import ALARM, OK, recorded_of
from sagemaker_gitops.core.kinds.monitor_policy.completion import awaited
from sagemaker_gitops.core.kinds.monitor_policy.report import about, data_of, metrics_of, problem_of, violations_of
from sagemaker_gitops.core.kinds.monitor_policy.retrain import STALLED as NO_HELP
from sagemaker_gitops.core.kinds.monitor_policy.retrain import episode_of
from sagemaker_gitops.core.kinds.monitor_policy.situation import (
    AVAILABLE,
    BREACHED,
    DATA_AVAILABLE,
    FAILED,
    NO_DATA,
    REFUSED,
    STOPPED,
    SUCCEEDED,
    Pass,
    kept,
)
from sagemaker_gitops.core.kinds.training_run.facts import Failed, FailureClass, Succeeded
from sagemaker_gitops.core.kinds.training_run.status import LOG_LINE_LIMIT, LOG_TAIL_LINES

Fields = dict[str, Any]
PAST_METRICS = 10
_ONLY_OF_THE_LAST = ("arn", "consoleUrl", "endpoint", "variant", "transformJob")


def ended(here: Pass, entry: Mapping[str, Any], fact: Succeeded) -> Fields:
    """The job ended well: its report says what it found. A report that cannot be read is a failed check."""
    report = here.facts.report
    problem = "no report was looked for" if report is None else report.problem or problem_of(report.content)
    times = _times(fact)
    if report is None or problem:
        return _bad(here, entry, times, "ReportUnreadable", f"{entry.get('output')}: {problem}")
    violations, total = violations_of(report.content)
    found = kept(
        {
            **entry,
            **times,
            "state": SUCCEEDED,
            "data": data_of(report.content),
            "metrics": metrics_of(report.content),
            "violationsTotal": total,
        }
    )
    return _remembered(here, found) | {"failure": None, "violations": violations or None, "metric": _column(here, found)}


def failed(here: Pass, entry: Mapping[str, Any], fact: Failed) -> Fields:
    """The job failed, in AWS's words and with its last log lines; the next window tries again."""
    lines = [line[:LOG_LINE_LIMIT] for line in fact.log_tail[-LOG_TAIL_LINES:]]
    state = STOPPED if fact.failure is FailureClass.STOPPED else FAILED
    return _bad(here, entry, _times(fact), str(fact.failure), fact.reason, state, lines)


def refused(here: Pass, entry: Mapping[str, Any], reason: str, message: str) -> Fields:
    """AWS did not take the job."""
    return _bad(here, entry, {}, reason, message, REFUSED)


def nothing_captured(here: Pass, entry: Mapping[str, Any]) -> Fields:
    """No file of the window: there is nothing that a job could look at, so none is paid for."""
    data = {"state": NO_DATA, "captured": 0, "message": "no captured file of the window was found"}
    found = {**entry, "state": NO_DATA, "finishedAt": timestamp(here.now), "data": data}
    return _remembered(here, found) | {"failure": None, "violations": None}


def summary(here: Pass, fields: Mapping[str, Any]) -> tuple[str, Sequence[Condition]]:
    """Phase and conditions by what the last check said; `fields` are about to be written over status."""
    status = {**here.snapshot.status, **fields}
    last, running = status.get("lastCheck"), status.get("running")
    if not isinstance(last, Mapping):
        if running:
            return "Checking", ready("Checking", f"{running['jobName']} is the first check")
        awaits = awaited(here.spec, here.snapshot.key.namespace)
        after = f"the next completion of {awaits.kind} {awaits.name}" if awaits is not None else ""
        due = status.get("nextCheck") or after or f"the next {here.snapshot.key.kind} check-now"
        return "Scheduled", ready("Scheduled", f"the first check is due at {due}")
    state, data, window = last.get("state"), last.get("data") or {}, last.get("window") or {}
    where = f"{last.get('model')}, {window.get('start')} to {window.get('end')}"
    if state in (FAILED, STOPPED, REFUSED):
        failure = status.get("failure") or {}
        return "CheckFailed", stalled(str(failure.get("reason", state)), f"{where}: {failure.get('message', '')}")
    if data.get("state") != AVAILABLE:
        message = f"{where}: {data.get('message', '')}"
        unknown = Condition(DATA_AVAILABLE, "False", str(data.get("state", NO_DATA)), message)
        return "NoData", [*suspended(str(data.get("state", NO_DATA)), message), unknown, *_breached(here, status)]
    breached = _breached(here, status)
    known = [Condition(DATA_AVAILABLE, "True", AVAILABLE, f"{where}: {data.get('captured', '?')} records"), *breached]
    episode = episode_of(status)
    if episode is not None and episode.get("state") == NO_HELP:
        return "Breached", [*stalled("NoImprovement", str(episode.get("message", ""))), *known]
    if any(item.status == "True" for item in breached):
        follows = f"; {episode['message']}" if episode is not None and episode.get("message") else ""
        return "Breached", [*ready("Breached", f"{breached[0].message}{follows}"), *known]
    return "Passing", [*ready("Passing", f"{where}: {status.get('metric') or 'checked'}"), *known]


def columns(here: Pass, alarms: Sequence[Mapping[str, Any]]) -> Fields:
    """THRESHOLD and BREACHES, of the first alarm."""
    if not here.spec.alarms or not alarms:
        return {"threshold": None, "breaches": None}
    first = here.spec.alarms[0]
    needed = first.datapoints_to_alarm or first.evaluation_periods or 1
    return {"threshold": f"{float(alarms[0]['threshold']):.4g}", "breaches": f"{alarms[0]['bad']}/{needed}"}


def _breached(here: Pass, status: Mapping[str, Any]) -> list[Condition]:
    """Breached: of all alarms; it stays while none can tell."""
    states = {alarm.name: recorded_of(status, alarm.name) for alarm in here.spec.alarms}
    if not states or not any(states.values()):
        return []
    on = [
        f"{name}: {item.get('bad')} bad, threshold {item.get('threshold')}" for name, item in states.items() if item.get("state") == ALARM
    ]
    if on:
        return [Condition(BREACHED, "True", "AlarmOn", "; ".join(on))]
    unknown = all(item.get("state") != OK for item in states.values())
    return [Condition(BREACHED, "Unknown", "InsufficientData")] if unknown else [Condition(BREACHED, "False", "Good", ", ".join(states))]


def _column(here: Pass, entry: Mapping[str, Any]) -> str | None:
    """The METRIC column: the first check that has a number."""
    for check in here.spec.checks_:
        _, value = about(check, entry.get("metrics") or ())
        if value is not None:
            return bounded(f"{check.name}={float(value):.4g}", 128)
    return None


def _bad(
    here: Pass,
    entry: Mapping[str, Any],
    times: Mapping[str, Any],
    reason: str,
    message: str,
    state: str = FAILED,
    log: Sequence[str] = (),
) -> Fields:
    told = bounded(message)
    found = {**entry, "finishedAt": timestamp(here.now), **times, "state": state, "message": told}
    failure = {"reason": reason, "message": told} | ({"logTail": list(log)} if log else {})
    return _remembered(here, found) | {"failure": failure}


def _times(fact: Succeeded | Failed) -> Fields:
    times = {"startedAt": fact.started, "finishedAt": fact.finished}
    return {name: timestamp(value) for name, value in times.items() if value is not None}


def _remembered(here: Pass, entry: Mapping[str, Any]) -> Fields:
    """The check in history, once: newest first."""
    limit = DEFAULT_POLICY_HISTORY if here.spec.history_limit is None else here.spec.history_limit
    older = [item for item in here.recorded.checks if not _same(item, entry)]
    short = {name: value for name, value in entry.items() if name not in _ONLY_OF_THE_LAST}
    short |= {"metrics": list(entry["metrics"])[:PAST_METRICS]} if entry.get("metrics") else {}
    return {"lastCheck": dict(entry), "checks": [short, *older][:limit]}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.get("jobName") or other.get("jobName"):
        return one.get("jobName") == other.get("jobName")
    return (one.get("moment"), one.get("trigger")) == (other.get("moment"), other.get("trigger"))
