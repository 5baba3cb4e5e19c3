"""Starts the executions of schedules when their hour has come: the data of the window, the merge, the processing job.

The job is an ordinary processing job of this local AWS, under the role of the definition; it is created by the service, so no
caller's ledger shows it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from botocore.exceptions import ClientError

from local_aws import storage
from local_aws.monitoring import expression, job, merge, words
from local_aws.monitoring.job import Window
from local_aws.monitoring.plan import Plan
from local_aws.monitoring.schedule import Execution, Schedule
from local_aws.services import Services
from local_aws.ticker import Ticker

_MINUTE: Final = 60
_AT_MOST: Final = 48
"""Executions that one jump of the clock brings about, of each schedule."""

Span = Callable[[Plan], tuple[datetime, datetime]]
"""A plan's window: from, until."""

_log = logging.getLogger(__name__)


class Runner:
    """`schedules` lists them all, `plan` is what one runs (AwsError when its definition is gone)."""

    def __init__(self, services: Services, schedules: Callable[[], list[Schedule]], plan: Callable[[Schedule], Plan]) -> None:
        self._services = services
        self._schedules = schedules
        self._plan = plan
        self._ticker = Ticker("monitoring", services.world.clock, self._step, self._tick)

    def wake(self) -> None:
        self._ticker.wake()

    def close(self) -> None:
        self._ticker.close()

    def once(self, schedule: Schedule) -> None:
        """The one execution of NOW, over the span that the schedule says."""
        now = self._services.now()
        timing = schedule.config["ScheduleConfig"]
        begin, end = (now + expression.offset(timing[f"DataAnalysis{which}Time"]) for which in ("Start", "End"))
        self._run(schedule, now, lambda _: (begin, end))

    def _step(self) -> float | None:
        """None without a schedule that is due some time."""
        return _MINUTE if any(each.status == "Scheduled" for each in self._schedules()) else None

    def _tick(self) -> None:
        delay = timedelta(seconds=self._services.world.settings["monitoring.delaySeconds"])
        until = self._services.now() - delay
        for schedule in self._schedules():
            try:
                self._catch_up(schedule, until)
            except Exception:
                _log.exception("monitoring schedule %s could not be run", schedule.name)

    def _catch_up(self, schedule: Schedule, until: datetime) -> None:
        every = expression.parse(schedule.config["ScheduleConfig"]["ScheduleExpression"])
        if every is None or schedule.status != "Scheduled":
            return
        after = schedule.last
        hours = [at for at in expression.hours(after, until + timedelta.resolution) if at > after and every.due(at)]
        for at in hours[-_AT_MOST:]:
            schedule.last = at
            self._run(schedule, at, _ending(at, every.window))

    def _run(self, schedule: Schedule, scheduled: datetime, span: Span) -> None:
        """A definition or an endpoint that is gone fails the execution, not the schedule."""
        execution = Execution(schedule, scheduled, self._services.now())
        with schedule.lock:
            schedule.executions.append(execution)
        try:
            plan = self._plan(schedule)
            self._start(execution, schedule.name, plan, *span(plan))
        except (ClientError, storage.StorageError, LookupError) as error:
            execution.failed(str(error), self._services.now())

    def _start(self, execution: Execution, schedule: str, plan: Plan, begin: datetime, end: datetime) -> None:
        name = f"model-monitoring-{end:%Y%m%d%H%M}-{uuid4().hex[:24]}"
        window = self._captured(plan, begin, end)
        if plan.truth is not None and window.folders:
            window = self._merged(plan, window)
        if not window.folders:
            execution.failed(words.NO_DATA, self._services.now())
            return
        sagemaker = self._services.world.client("sagemaker")
        made = sagemaker.create_processing_job(**job.request(name, schedule, plan, window))
        execution.started(name, made["ProcessingJobArn"])

    def _captured(self, plan: Plan, begin: datetime, end: datetime) -> Window:
        """The folders of the window's hours, of every variant, that hold data."""
        endpoint = self._services.world.client("sagemaker").describe_endpoint(EndpointName=plan.endpoint)
        config = endpoint.get("DataCaptureConfig")
        if config is None:
            raise LookupError(words.not_captured(plan.endpoint).message)
        base = config["DestinationS3Uri"]
        found = [
            f"{plan.endpoint}/{variant['VariantName']}/{_folder(hour)}"
            for variant in endpoint["ProductionVariants"]
            for hour in expression.hours(begin, end)
        ]
        root = storage.parse(base)
        return Window(begin, end, base, [each for each in found if self._services.storage.exists(root.join(each, "/"))])

    def _merged(self, plan: Plan, window: Window) -> Window:
        """The window's folders below `merge/` of the output, with the ground truth of the same hours."""
        assert plan.truth is not None, "only a plan with ground truth is merged"
        truth_root, store = storage.parse(plan.truth), self._services.storage
        truth = merge.truths(
            line for hour in expression.hours(window.begin, window.end) for line in self._lines(truth_root.join(_folder(hour)))
        )
        base = storage.parse(plan.output["MonitoringOutputs"][0]["S3Output"]["S3Uri"]).join("merge")
        folders = []
        for folder in window.folders:
            joined = list(merge.merged(self._lines(storage.parse(window.base).join(folder)), truth))
            if joined:
                store.put(base.join(folder, f"part-00000-{uuid4()}.jsonl"), ("\n".join(joined) + "\n").encode())
                folders.append(folder)
        return Window(window.begin, window.end, str(base), folders)

    def _lines(self, root: storage.S3Uri) -> list[str]:
        store = self._services.storage
        keys = [key for key in store.keys(storage.S3Uri(root.bucket, root.key + "/")) if not key.endswith("/")]
        return [line for key in keys for line in store.read(storage.S3Uri(root.bucket, key)).decode("utf-8", "replace").splitlines()]


def _ending(at: datetime, length: timedelta) -> Span:
    """The window that ends at `at`, moved as the input's offsets say (for ground truth that comes late)."""

    def span(plan: Plan) -> tuple[datetime, datetime]:
        given = plan.given
        begin = at + expression.offset(given["StartTimeOffset"]) if "StartTimeOffset" in given else at - length
        return begin, at + expression.offset(given["EndTimeOffset"]) if "EndTimeOffset" in given else at

    return span


def _folder(hour: datetime) -> str:
    return hour.astimezone(UTC).strftime("%Y/%m/%d/%H")
