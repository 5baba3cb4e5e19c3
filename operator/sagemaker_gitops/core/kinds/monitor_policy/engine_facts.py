"""What a pass may know of SageMaker Model Monitor: made by aws/kinds/monitor_engine.py, read by engine_plan.py and deletion.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sagemaker_gitops.core.kinds.monitor_policy.engine_types import Definition
from sagemaker_gitops.core.kinds.training_run.facts import Failed, Foreign, Succeeded

NO_DATA_REASON = "Job inputs had no data"
"""FailureReason of an execution whose window has no captured data; quoted in public issues of the SageMaker examples."""


@dataclass(frozen=True, slots=True)
class LiveSchedule:
    """A schedule that is ours by tag. `status` is AWS's MonitoringScheduleStatus; `failure` its FailureReason."""

    status: str
    definition: str
    expression: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """The oldest execution that was not heeded yet, once it has ended; `job` is the name of its processing job, if it came to one."""

    scheduled: datetime
    fact: Succeeded | Failed
    job: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """`definition` is None where it was not looked for, because the schedule has it. `stale` are definitions of ours besides the one that
    is wanted. `executing`: an execution has not ended.
    """

    schedule: LiveSchedule | Foreign | None = None
    definition: bool | Foreign | None = None
    stale: tuple[Definition, ...] = ()
    execution: Execution | None = None
    executing: bool = False
    refusal: tuple[str, str] | None = None
