"""How a Glue job run does its work: fetch the script, run it, read why it failed, end.

The `Work` of `lifecycle` for job runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local_aws import logs
from local_aws.executor import Exit, Process
from local_aws.glue import script
from local_aws.glue.run_record import JobRun
from local_aws.lifecycle import Halt, JobFailedError
from local_aws.logs import Followed, Line
from local_aws.permissions import JobIdentity, job_identity
from local_aws.services import Services

OUTPUT_GROUP = "/aws-glue/python-jobs/output"
ERROR_GROUP = "/aws-glue/python-jobs/error"
NO_SPARK = (
    "Spark is not part of this local AWS: a job with the command {command} can be defined but not run here. Use Command.Name pythonshell."
)
_EXCEPTION = re.compile(r"(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?::|$)")


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run was asked to do: command, script, arguments, role; `forced` is how it is to fail."""

    command: str
    location: str
    arguments: Mapping[str, str]
    role_arn: str
    forced: str | None


class RunWork:
    """One run's work; each method is one phase of `Lifecycle`."""

    def __init__(self, services: Services, run: JobRun, plan: RunPlan, folder: Path, ended: Callable[[JobRun], None]) -> None:
        self._services = services
        self._run = run
        self._plan = plan
        self._script = script.Script(run.name, run.job_name, plan.location, folder)
        self._ended = ended
        self._followed: Followed | None = None
        self._identity: JobIdentity | None = None

    def prepare(self) -> Process:
        if self._plan.forced is not None:
            raise JobFailedError(self._plan.forced)
        if self._plan.command != "pythonshell":
            raise JobFailedError(NO_SPARK.format(command=self._plan.command))
        self._identity = job_identity(self._services.world, self._plan.role_arn, "GlueJobRunnerSession")
        world, arguments = self._services.world, self._plan.arguments
        return script.process(self._script, self._services.storage, arguments, self._identity.environment, world.folder)

    def started(self) -> None:
        self._run.moved("RUNNING", self._services.now())
        self._followed = self._services.logs.follow(self._script.log, OUTPUT_GROUP, self._run.name)

    def halting(self, halt: Halt) -> None:
        if halt is Halt.STOP:
            self._run.moved("STOPPING", self._services.now())

    def collect(self, outcome: Exit, halt: Halt | None) -> None:
        if self._followed is not None:
            self._followed.finish()
        if outcome.code == 0 or halt is not None:
            return
        message, lines = error_message(outcome, logs.tail(self._script.log, 200, width=2000))
        now = self._services.now()
        self._services.logs.send((ERROR_GROUP, self._run.name), [Line(now, line) for line in lines])
        raise JobFailedError(message)

    def ended(self, reason: str | None, halt: Halt | None) -> None:
        world = self._services.world
        if self._identity is not None:
            world.identity.revoke(self._identity.access_key_id)
        now = self._services.now()
        seconds = max(0, round((now - self._run.started).total_seconds()))
        capacity = float(self._run.body.get("MaxCapacity", 0.0625))
        state, message = _final_state(reason, halt)
        members = {} if message is None else {"ErrorMessage": message}
        self._services.cost.glue(self._run.name, capacity * max(60, seconds))
        self._run.moved(state, now, CompletedOn=now, ExecutionTime=seconds, DPUSeconds=capacity * seconds, **members)
        self._ended(self._run)


def error_message(outcome: Exit, lines: list[str]) -> tuple[str, list[str]]:
    """(ErrorMessage, the log's last traceback): the exception with its text, or the exit code when there is
    none.
    """
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        code = outcome.code if outcome.code is not None else 128 + (outcome.signal or 0)
        return f"Command failed with exit code {code}", lines[-20:]
    trace = lines[starts[-1] :]
    first = next((i for i, line in enumerate(trace[1:], 1) if _EXCEPTION.match(line)), len(trace) - 1)
    return "\n".join(trace[first:])[:2_048], trace


def _final_state(reason: str | None, halt: Halt | None) -> tuple[str, str | None]:
    """(JobRunState, ErrorMessage) of a run that has ended."""
    if reason is not None:
        return "FAILED", reason
    match halt:
        case None:
            return "SUCCEEDED", None
        case Halt.MAX_RUNTIME:
            return "TIMEOUT", "Job run timed out"
        case Halt.STOP | Halt.MAX_WAIT | Halt.INTERRUPTION:
            return "STOPPED", None
