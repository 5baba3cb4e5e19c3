"""Glue jobs and their runs: StartJobRun has no idempotency key, only MaxConcurrentRuns stands in its way.

Source: AWS Glue API (Jobs, Job runs); the words of refusals are those of sandbox/local_aws/glue/words.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.aws import Context, Handler, Refused, Tags
from tests.simulation.aws_jobs import Work, moment

_STATES = {"InProgress": "RUNNING", "Stopping": "STOPPING", "Stopped": "STOPPED", "Completed": "SUCCEEDED", "Failed": "FAILED"}


@dataclass(slots=True)
class GlueJob:
    """A job definition; `tags` are given at creation."""

    name: str
    tags: Tags
    created: float
    describe_lag: float
    list_lag: float
    limit: int
    runs: list[Work] = field(default_factory=list)


class Glue:
    """Jobs by name."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.jobs: dict[str, GlueJob] = {}

    def handlers(self) -> dict[str, Handler]:
        return {
            "glue:CreateJob": self._create,
            "glue:GetJob": self._get,
            "glue:GetTags": self._get_tags,
            "glue:ListJobs": self._list,
            "glue:StartJobRun": self._start,
            "glue:GetJobRuns": self._runs,
            "glue:BatchStopJobRun": self._stop,
        }

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        return {}

    def _create(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters["Name"]
        if name in self.jobs:
            raise self._context.refuse("CreateJob", name, "AlreadyExistsException", f"Job with name: {name} already exists.")
        limit = parameters["ExecutionProperty"]["MaxConcurrentRuns"]
        self.jobs[name] = GlueJob(name, parameters["Tags"], self._context.now, *self._context.lags(), limit)
        self._context.accept("CreateJob", name)
        return {"Name": name}

    def _view(self, name: str) -> GlueJob:
        job = self.jobs.get(name)
        if job is None or self._context.now - job.describe_lag < job.created:
            self._context.looked(name, False)
            raise Refused("EntityNotFoundException", f"Job with name: {name} not found.")
        return job

    def _get(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        job = self._view(parameters["JobName"])
        return {"Job": {"Name": job.name, "CreatedOn": moment(job.created)}}

    def _get_tags(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"Tags": dict(self._view(parameters["ResourceArn"].rpartition("/")[2]).tags)}

    def _list(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        wanted = parameters["Tags"].items()
        names = [job.name for job in self.jobs.values() if self._context.now - job.list_lag >= job.created and wanted <= job.tags.items()]
        return {"JobNames": names}

    def _start(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name, token = parameters["JobName"], next(iter(parameters["Arguments"].values()))
        job, now = self.jobs.get(name), self._context.now
        if job is None:
            raise self._context.refuse(
                "StartJobRun", token, "EntityNotFoundException", f"Failed to start job run due to missing metadata: job {name}"
            )
        if sum(run.active(now) for run in job.runs) >= job.limit:
            raise self._context.refuse("StartJobRun", token, "ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}")
        ending = self._context.ending(job.tags, parameters)
        run = Work(f"jr_{token}_{len(job.runs)}", "JobRun", job.tags, now, ending, *self._context.lags(), parameters)
        job.runs.append(run)
        self._context.accept("StartJobRun", token)
        self._at_end(name, run)
        return {"JobRunId": run.name}

    def _at_end(self, name: str, run: Work) -> None:
        def end() -> None:
            if self._context.now == run.ends:
                self._context.emit(name, _STATES[run.status(self._context.now)])

        self._context.agenda.add(run.ends - self._context.now, end)

    def _runs(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Two to a page, newest first, each visible once its lag is over."""
        job = self._view(parameters["JobName"])
        runs = [run for run in reversed(job.runs) if self._context.now - run.list_lag >= run.created]
        self._context.looked(job.name, any(run.active(self._context.now - run.list_lag) for run in runs))
        first = int(parameters.get("NextToken", "0"))
        answer: dict[str, Any] = {"JobRuns": [self._described(run) for run in runs[first : first + 2]]}
        return answer | ({"NextToken": str(first + 2)} if len(runs) > first + 2 else {})

    def _described(self, run: Work) -> dict[str, Any]:
        seen = self._context.now - run.list_lag
        answer = {
            "Id": run.name,
            "JobRunState": _STATES[run.status(seen)],
            "Arguments": run.parameters["Arguments"],
            "StartedOn": moment(run.created),
        }
        if not run.active(seen):
            answer |= {"CompletedOn": moment(run.ends)} | ({"ErrorMessage": run.ending.reason} if run.ending.reason else {})
        return answer

    def _stop(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        job = self.jobs.get(parameters["JobName"])
        if job is None:
            raise Refused("EntityNotFoundException", f"Job with name: {parameters['JobName']} not found.")
        for run in job.runs:
            if run.name in parameters["JobRunIds"] and run.active(self._context.now) and run.stopped is None:
                run.stopped = self._context.now
                self._context.accept("BatchStopJobRun", run.name)
                self._at_end(job.name, run)
        return {"SuccessfulSubmissions": [], "Errors": []}
