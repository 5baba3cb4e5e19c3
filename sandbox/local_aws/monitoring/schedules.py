"""Monitoring schedules: Create, Update, Start, Stop, Delete, Describe, List; their executions and alerts.

Sources: API reference of the operations; executions outlive their schedule.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from local_aws.errors import AwsError
from local_aws.monitoring import expression, words
from local_aws.monitoring.definitions import Definitions, check_input, check_open, check_role
from local_aws.monitoring.plan import Plan, of_inline
from local_aws.monitoring.runner import Runner
from local_aws.monitoring.schedule import Execution, Schedule
from local_aws.sagemaker import store, tags
from local_aws.sagemaker.words import validation
from local_aws.service import Call, Operations
from local_aws.services import Services

_KIND = "DataQuality"
_SPAN = ("DataAnalysisStartTime", "DataAnalysisEndTime")


class Schedules:
    """All monitoring schedules of one world."""

    def __init__(self, services: Services, tag_store: tags.Tags, definitions: Definitions) -> None:
        self._services = services
        self._tags = tag_store
        self._definitions = definitions
        self._schedules: store.Store[Schedule] = store.Store(
            lambda name: words.schedule_absent(self._arn(name)), lambda each: words.schedule_taken(each.arn)
        )
        self._lock = threading.Lock()
        self._gone: list[Execution] = []
        self._runner = Runner(services, self._schedules.records, self.plan)
        tag_store.register("monitoring-schedule", self._schedules.get)

    def operations(self) -> Operations:
        handlers = {
            "CreateMonitoringSchedule": self.create,
            "UpdateMonitoringSchedule": self.update,
            "StartMonitoringSchedule": self.start,
            "StopMonitoringSchedule": self.stop,
            "DeleteMonitoringSchedule": self.delete,
            "DescribeMonitoringSchedule": self.describe,
            "ListMonitoringSchedules": self.list,
            "ListMonitoringExecutions": self.executions,
            "ListMonitoringAlerts": self.alerts,
            "UpdateMonitoringAlert": self.update_alert,
            "ListMonitoringAlertHistory": self.alert_history,
        }
        return {("sagemaker", operation): handler for operation, handler in handlers.items()}

    def close(self) -> None:
        self._runner.close()

    def plan(self, schedule: Schedule) -> Plan:
        """LookupError when its job definition has been deleted."""
        try:
            return self._planned(schedule.config)
        except AwsError as error:
            raise LookupError(error.message) from error

    def create(self, call: Call) -> dict[str, Any]:
        check_open(self._services.world, call.operation)
        name, config = call.params["MonitoringScheduleName"], call.params["MonitoringScheduleConfig"]
        self._schedules.check_free(name)
        plan = self._checked(call, config)
        wanted = tags.requested(call.params.get("Tags"))
        schedule = Schedule(name, self._arn(name), config, plan.kind, plan.endpoint, self._services.now())
        self._schedules.add(schedule)
        self._tags.put(schedule.arn, wanted)
        seconds = self._services.world.settings["monitoring.creatingSeconds"]
        self._services.world.clock.call_later(seconds, lambda: self._services.submit(lambda: self._created(schedule)))
        return {"MonitoringScheduleArn": schedule.arn}

    def _created(self, schedule: Schedule) -> None:
        with schedule.lock:
            if schedule.status != "Pending":
                return
            schedule.become("Scheduled", self._services.now())
        if expression.parse(schedule.config["ScheduleConfig"]["ScheduleExpression"]) is None:
            self._runner.once(schedule)
        self._runner.wake()

    def update(self, call: Call) -> dict[str, Any]:
        """What runs next; NOW runs at once."""
        schedule, config = self._of(call), call.params["MonitoringScheduleConfig"]
        plan = self._checked(call, config)
        schedule.define(config, plan.kind, plan.endpoint, self._services.now())
        if schedule.status == "Scheduled" and expression.parse(config["ScheduleConfig"]["ScheduleExpression"]) is None:
            self._services.submit(lambda: self._runner.once(schedule))
        self._runner.wake()
        return {"MonitoringScheduleArn": schedule.arn}

    def start(self, call: Call) -> dict[str, Any]:
        """From the next due hour on; what was missed meanwhile is not run."""
        schedule = self._of(call)
        if schedule.status == "Stopped":
            schedule.become("Scheduled", self._services.now())
        self._runner.wake()
        return {}

    def stop(self, call: Call) -> dict[str, Any]:
        """No further executions; one that runs is finished."""
        self._of(call).become("Stopped", self._services.now())
        return {}

    def delete(self, call: Call) -> dict[str, Any]:
        schedule = self._of(call)
        schedule.become("Stopped", self._services.now())
        self._schedules.remove(schedule.name, self._services.now())
        self._tags.drop(schedule.arn)
        with self._lock:
            self._gone += schedule.executions
        return {}

    def describe(self, call: Call) -> dict[str, Any]:
        return self._of(call).describe(self._job)

    def list(self, call: Call) -> dict[str, Any]:
        params = call.params
        entries = self._schedules.visible(self._services.now(), self._services.world.faults.list_lag)
        wanted = {
            "EndpointName": params.get("EndpointName"),
            "MonitoringJobDefinitionName": params.get("MonitoringJobDefinitionName"),
            "MonitoringType": params.get("MonitoringTypeEquals"),
        }
        found = store.page(entries, params, default_order="Descending", keep=lambda each: _is(each.body, wanted))
        return found.answer("MonitoringScheduleSummaries")

    def executions(self, call: Call) -> dict[str, Any]:
        params = call.params
        with self._lock:
            gone = list(self._gone)
        everything = [*gone, *(each for schedule in self._schedules.records() for each in tuple(schedule.executions))]
        shown = sorted((each.summary(self._job) for each in everything), key=lambda body: body["ScheduledTime"])
        wanted = {
            "MonitoringScheduleName": params.get("MonitoringScheduleName"),
            "EndpointName": params.get("EndpointName"),
            "MonitoringJobDefinitionName": params.get("MonitoringJobDefinitionName"),
            "MonitoringType": params.get("MonitoringTypeEquals"),
        }
        chosen = [(number, _summary(body)) for number, body in enumerate(shown, 1) if _is(body, wanted) and _scheduled(body, params)]
        return store.page(chosen, params, default_order="Descending").answer("MonitoringExecutionSummaries")

    def alerts(self, call: Call) -> dict[str, Any]:
        schedule = self._of(call)
        alert = schedule.alert
        states = alert.states(self._statuses(schedule))
        summary = {
            "MonitoringAlertName": schedule.name,
            "CreationTime": alert.created,
            "LastModifiedTime": alert.modified,
            "AlertStatus": states[-1] if states else "OK",
            "DatapointsToAlert": alert.datapoints,
            "EvaluationPeriod": alert.periods,
            "Actions": {"ModelDashboardIndicator": {"Enabled": True}},
        }
        return {"MonitoringAlertSummaries": [summary]}

    def update_alert(self, call: Call) -> dict[str, Any]:
        schedule, params = self._of(call), call.params
        if params["MonitoringAlertName"] != schedule.name:
            raise words.alert_absent(params["MonitoringAlertName"])
        datapoints, periods = params["DatapointsToAlert"], params["EvaluationPeriod"]
        if datapoints > periods:
            raise validation("DatapointsToAlert must be less than or equal to EvaluationPeriod.")
        schedule.alert = replace(schedule.alert, datapoints=datapoints, periods=periods, modified=self._services.now())
        return {"MonitoringScheduleArn": schedule.arn, "MonitoringAlertName": schedule.name}

    def alert_history(self, call: Call) -> dict[str, Any]:
        """The changes of the alert, by the executions that there were, as the alert is defined now."""
        params, name = call.params, call.params.get("MonitoringScheduleName")
        chosen = [self._schedules.get(name)] if name is not None else self._schedules.records()
        changes = [
            store.Summary(schedule.name, at, at, state, {**_alert_name(schedule), "CreationTime": at, "AlertStatus": state})
            for schedule in chosen
            if params.get("MonitoringAlertName") in (None, schedule.name)
            for at, state in self._changes(schedule)
        ]
        entries = list(enumerate(sorted(changes, key=lambda each: each.created), 1))
        return store.page(entries, params, default_order="Descending").answer("MonitoringAlertHistory")

    def _changes(self, schedule: Schedule) -> Sequence[tuple[datetime, str]]:
        states = schedule.alert.states(self._statuses(schedule))
        pairs = zip(["OK", *states], states, schedule.executions, strict=False)
        return [(execution.created, state) for before, state, execution in pairs if state != before]

    def _statuses(self, schedule: Schedule) -> Sequence[str]:
        return [each.status(self._job) for each in tuple(schedule.executions)]

    def _job(self, name: str) -> Mapping[str, Any] | None:
        sagemaker = self._services.world.client("sagemaker")
        try:
            found: Mapping[str, Any] = sagemaker.describe_processing_job(ProcessingJobName=name)
        except sagemaker.exceptions.ClientError:
            return None
        return found

    def _of(self, call: Call) -> Schedule:
        return self._schedules.get(call.params["MonitoringScheduleName"])

    def _checked(self, call: Call, config: Mapping[str, Any]) -> Plan:
        """Every rule of a config, before anything is stored."""
        _check_timing(config.get("ScheduleConfig"))
        if ("MonitoringJobDefinition" in config) == ("MonitoringJobDefinitionName" in config):
            raise words.one_of("MonitoringJobDefinition", "MonitoringJobDefinitionName")
        if "MonitoringJobDefinitionName" in config and "MonitoringType" not in config:
            raise validation("MonitoringType is required with MonitoringJobDefinitionName.")
        for given in config.get("MonitoringJobDefinition", {}).get("MonitoringInputs", ()):
            check_input(given, "MonitoringInputs.1.member")
        plan = self._planned(config)
        check_role(self._services.world, call.caller, plan.role)
        self._check_endpoint(plan.endpoint)
        for member in ("StartTimeOffset", "EndTimeOffset"):
            _check_offset(plan.given.get(member, "-PT0H"), member)
        return plan

    def _check_endpoint(self, name: str) -> None:
        sagemaker = self._services.world.client("sagemaker")
        try:
            endpoint = sagemaker.describe_endpoint(EndpointName=name)
        except sagemaker.exceptions.ClientError as error:
            raise validation(error.response["Error"]["Message"]) from error
        if not endpoint.get("DataCaptureConfig", {}).get("EnableCapture"):
            raise words.not_captured(name)

    def _planned(self, config: Mapping[str, Any]) -> Plan:
        if "MonitoringJobDefinitionName" in config:
            return self._definitions.get(config["MonitoringType"], config["MonitoringJobDefinitionName"]).plan
        return of_inline(config.get("MonitoringType", _KIND), config["MonitoringJobDefinition"])

    def _arn(self, name: str) -> str:
        world = self._services.world
        return f"arn:aws:sagemaker:{world.region}:{world.account}:monitoring-schedule/{name}"


def _check_timing(timing: Mapping[str, Any] | None) -> None:
    if timing is None:
        raise validation("ScheduleConfig is required.")
    text = timing["ScheduleExpression"]
    try:
        once = expression.parse(text) is None
    except ValueError as error:
        raise words.expression(text) from error
    for member in _SPAN:
        if (member in timing) != once:
            raise validation(f"{member} is {'required' if once else 'valid only'} with the ScheduleExpression NOW.")
        _check_offset(timing.get(member, "-PT0H"), member)


def _check_offset(text: str, member: str) -> None:
    try:
        expression.offset(text)
    except ValueError as error:
        raise validation(f"{member} {text} is not a duration as -PT1H.") from error


def _is(body: Mapping[str, Any], wanted: Mapping[str, str | None]) -> bool:
    return all(value in (None, body.get(member)) for member, value in wanted.items())


def _scheduled(body: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    after, before = params.get("ScheduledTimeAfter"), params.get("ScheduledTimeBefore")
    return (after is None or body["ScheduledTime"] > after) and (before is None or body["ScheduledTime"] < before)


def _summary(body: Mapping[str, Any]) -> store.Summary:
    return store.Summary(
        body["MonitoringScheduleName"], body["CreationTime"], body["LastModifiedTime"], body["MonitoringExecutionStatus"], body
    )


def _alert_name(schedule: Schedule) -> dict[str, str]:
    return {"MonitoringScheduleName": schedule.name, "MonitoringAlertName": schedule.name}
