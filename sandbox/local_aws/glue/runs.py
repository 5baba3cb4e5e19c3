"""Glue job runs: StartJobRun, GetJobRun, GetJobRuns, BatchStopJobRun, with concurrency limits, retries and
events.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from typing import Any

from local_aws.glue import words
from local_aws.glue.jobs import Job, Jobs
from local_aws.glue.run_record import JobRun
from local_aws.glue.run_work import RunPlan, RunWork
from local_aws.lifecycle import Halt, Lifecycle, Limits
from local_aws.sagemaker.store import Store, page
from local_aws.service import Call, Operations
from local_aws.services import Services

_INTERNAL_ERROR = "Internal service error : An internal error occurred. Please try again."
_EVENT = "Glue Job State Change"
# State -> (severity, message) of the event; other states send none (reference/performance.md 4.3).
_EVENTS = {
    "SUCCEEDED": ("INFO", "Job run succeeded"),
    "FAILED": ("ERROR", "Job run failed"),
    "TIMEOUT": ("WARN", "Job run timed out"),
    "STOPPED": ("INFO", "Job run stopped"),
}
_KEPT_BY_RUN = ("GlueVersion", "MaxCapacity", "AllocatedCapacity", "WorkerType", "NumberOfWorkers", "Timeout")
_OVERRIDES = (*_KEPT_BY_RUN, "SecurityConfiguration", "NotificationProperty", "ExecutionClass")
_GRACE = 5.0  # AWS seconds between SIGTERM and SIGKILL; Glue documents none


class Runs:
    """All runs of all jobs of one world, by job name."""

    def __init__(self, services: Services, jobs: Jobs) -> None:
        self._services = services
        self._jobs = jobs
        self._lock = threading.Lock()
        self._stores: dict[Job, Store[JobRun]] = {}
        services.world.settings.setdefault("glue.startingSeconds", 0.05)

    def operations(self) -> Operations:
        return {
            ("glue", "StartJobRun"): self.start,
            ("glue", "GetJobRun"): self.get,
            ("glue", "GetJobRuns"): self.list,
            ("glue", "BatchStopJobRun"): self.stop,
        }

    def start(self, call: Call) -> dict[str, Any]:
        request = call.params
        job = self._jobs.find(request["JobName"])
        if job is None:
            raise words.job_absent_at_start(request["JobName"])
        if request.get("JobRunQueuingEnabled"):
            raise words.invalid("JobRunQueuingEnabled is not supported in this local AWS.")
        previous = request.get("JobRunId")
        if previous is not None:
            self._run(job.name, previous)
        members = {key: request[key] for key in _OVERRIDES if key in request}
        if previous is not None:
            members["PreviousRunId"] = previous
        run = self._start(job, request.get("Arguments", {}), members, "jr_" + secrets.token_hex(32), 0)
        return {"JobRunId": run.name}

    def get(self, call: Call) -> dict[str, Any]:
        return {"JobRun": self._run(call.params["JobName"], call.params["RunId"]).body}

    def list(self, call: Call) -> dict[str, Any]:
        """Newest first."""
        store = self._store(call.params["JobName"])
        world = self._services.world
        entries = store.visible(self._services.now(), world.faults.list_lag)
        params = {"MaxResults": 200, **call.params, "SortOrder": "Descending"}
        return page(entries, params).answer("JobRuns")

    def stop(self, call: Call) -> dict[str, Any]:
        name = call.params["JobName"]
        answer: dict[str, Any] = {"SuccessfulSubmissions": [], "Errors": []}
        store = self._store(name)
        for run_id in call.params["JobRunIds"]:
            run = store.find(run_id)
            named = {"JobName": name, "JobRunId": run_id}
            if run is None:
                answer["Errors"].append(_refused(named, "EntityNotFoundException", f"Job run {run_id} not found."))
            elif not run.active:
                message = f"Job run {run_id} is in state {run.state} and can not be stopped."
                answer["Errors"].append(_refused(named, "InvalidInputException", message))
            else:
                run.halt(Halt.STOP)
                answer["SuccessfulSubmissions"].append(named)
        return answer

    def _store(self, job_name: str) -> Store[JobRun]:
        job = self._jobs.find(job_name)
        if job is None:
            raise words.job_absent(job_name)
        with self._lock:
            return self._stores.setdefault(job, _new_store())

    def _run(self, job_name: str, run_id: str) -> JobRun:
        return self._store(job_name).get(run_id)

    def _start(self, job: Job, arguments: Mapping[str, str], members: Mapping[str, Any], run_id: str, attempt: int) -> JobRun:
        now = self._services.now()
        body = {
            "Id": run_id,
            "Attempt": attempt,
            "JobName": job.name,
            "JobMode": job.body["JobMode"],
            "LogGroupName": "/aws-glue/python-jobs",
            "PredecessorRuns": [],
            **{key: job.body[key] for key in _OVERRIDES if key in job.body},
            **members,
            **({"Arguments": dict(arguments)} if arguments else {}),
        }
        store = self._store(job.name)
        with self._lock:
            limit = job.body["ExecutionProperty"].get("MaxConcurrentRuns", 1)
            if sum(run.active for run in store.records()) >= limit:
                raise words.too_many_runs(job.name)
            run = JobRun(body, now, self._changed)
            lifecycle = run.lifecycle = self._lifecycle(job, run, arguments)
            store.add(run)
        lifecycle.begin()
        return run

    def _lifecycle(self, job: Job, run: JobRun, arguments: Mapping[str, str]) -> Lifecycle:
        world = self._services.world
        forced = world.faults.next_job_failure("JobRun", job.name)
        definition = job.body
        plan = RunPlan(
            command=definition["Command"]["Name"],
            location=definition["Command"]["ScriptLocation"],
            arguments={
                **definition.get("DefaultArguments", {}),
                **arguments,
                **definition.get("NonOverridableArguments", {}),
            },
            role_arn=self._jobs.role_arn(definition["Role"]),
            forced=None if forced is None else forced.reason,
        )
        folder = world.folder / "glue" / run.name
        work = RunWork(self._services, run, plan, folder, lambda ended: self._retry(job, ended))
        limits = Limits(
            provisioning=world.settings["glue.startingSeconds"],
            max_runtime=60.0 * run.body["Timeout"],
            grace=_GRACE,
        )
        return Lifecycle(self._services, work, limits, _INTERNAL_ERROR)

    def _retry(self, job: Job, run: JobRun) -> None:
        """A failed run is repeated MaxRetries times under a name of its own, as Glue does."""
        attempt = run.body["Attempt"] + 1
        if run.state != "FAILED" or attempt > job.body["MaxRetries"] or self._jobs.find(job.name) is not job:
            return
        members = {key: run.body[key] for key in _OVERRIDES if key in run.body}
        members["PreviousRunId"] = run.name
        base = run.name.partition("_attempt_")[0]
        self._start(job, run.body.get("Arguments", {}), members, f"{base}_attempt_{attempt}", attempt)

    def _changed(self, run: JobRun) -> None:
        event = _EVENTS.get(run.state)
        if event is None:
            return
        severity, message = event
        detail = {
            "jobName": run.job_name,
            "severity": severity,
            "state": run.state,
            "jobRunId": run.name,
            "message": run.body.get("ErrorMessage", message),
        }
        self._services.events.publish("aws.glue", _EVENT, [], detail)


def _new_store() -> Store[JobRun]:
    return Store(words.run_absent, lambda run: words.invalid(f"Job run {run.name} already exists."))


def _refused(named: Mapping[str, str], code: str, message: str) -> dict[str, Any]:
    return {**named, "ErrorDetail": {"ErrorCode": code, "ErrorMessage": message}}
