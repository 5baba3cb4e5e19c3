"""Glue jobs as definitions: CreateJob, UpdateJob, GetJob, GetJobs, ListJobs, BatchGetJobs, DeleteJob and
their tags.

Runs are `runs`. Defaults that Glue adds to a definition are added here, because clients compare what they get
back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local_aws.glue import words
from local_aws.permissions import check_pass_role
from local_aws.sagemaker.store import Store, Summary, page
from local_aws.service import Call, Operations
from local_aws.services import Services

PRINCIPAL = "glue.amazonaws.com"
COMMANDS = frozenset({"pythonshell", "glueetl", "gluestreaming", "glueray"})
_PYTHON_SHELL_CAPACITIES = (0.0625, 1.0)
_TIMEOUT_MINUTES = 2_880
_NOT_IN_JOB = frozenset({"Tags"})


class Job:
    """One job definition; `body` is the Job structure of the API, replaced as a whole by an update."""

    def __init__(self, name: str, body: Mapping[str, Any], now: datetime) -> None:
        self.name = name
        self.created = now
        self.summaries: list[Summary] = []
        self.body: Mapping[str, Any] = {}
        self.replace(body, now)

    def replace(self, body: Mapping[str, Any], now: datetime) -> None:
        self.body = {**body, "Name": self.name, "CreatedOn": self.created, "LastModifiedOn": now}
        self.summaries.append(Summary(self.name, self.created, now, "", self.body))


class Jobs:
    """All job definitions of one world."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._world = services.world
        self._store: Store[Job] = Store(words.job_absent, lambda job: words.job_taken(job.name))
        self._tags: dict[str, dict[str, str]] = {}

    def operations(self) -> Operations:
        handlers = {
            "CreateJob": self.create,
            "UpdateJob": self.update,
            "GetJob": self.get,
            "GetJobs": self.get_all,
            "ListJobs": self.list_names,
            "BatchGetJobs": self.batch_get,
            "DeleteJob": self.delete,
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "GetTags": self.tags,
        }
        return {("glue", operation): handler for operation, handler in handlers.items()}

    def find(self, name: str) -> Job | None:
        return self._store.find(name)

    def create(self, call: Call) -> dict[str, Any]:
        request = call.params
        name: str = request["Name"]
        self._check_role(call, request["Role"])
        body = _with_defaults({key: value for key, value in request.items() if key not in _NOT_IN_JOB})
        tags = dict(request.get("Tags", {}))
        _check_tags(tags)
        self._store.add(Job(name, body, self._services.now()))
        self._tags[name] = tags
        return {"Name": name}

    def update(self, call: Call) -> dict[str, Any]:
        """Replaces the definition: what the update leaves out goes back to Glue's default."""
        job = self._store.get(call.params["JobName"])
        wanted = call.params["JobUpdate"]
        for member in ("Role", "Command"):
            if member not in wanted:
                raise words.invalid(f"JobUpdate.{member} is required.")
        self._check_role(call, wanted["Role"])
        job.replace(_with_defaults(wanted), self._services.now())
        return {"JobName": job.name}

    def get(self, call: Call) -> dict[str, Any]:
        return {"Job": self._store.get(call.params["JobName"]).body}

    def get_all(self, call: Call) -> dict[str, Any]:
        return page(self._visible(), {"MaxResults": 100, **call.params}).answer("Jobs")

    def list_names(self, call: Call) -> dict[str, Any]:
        wanted = call.params.get("Tags", {})
        found = page(
            self._visible(),
            {"MaxResults": 100, **call.params},
            keep=lambda summary: wanted.items() <= self._tags.get(summary.name, {}).items(),
        )
        return {**found.answer("JobNames"), "JobNames": [body["Name"] for body in found.bodies]}

    def batch_get(self, call: Call) -> dict[str, Any]:
        found = {name: self._store.find(name) for name in call.params["JobNames"]}
        return {
            "Jobs": [job.body for job in found.values() if job is not None],
            "JobsNotFound": [name for name, job in found.items() if job is None],
        }

    def delete(self, call: Call) -> dict[str, Any]:
        """A missing job is no error: the API reference says so."""
        name: str = call.params["JobName"]
        if self._store.find(name) is not None:
            self._store.remove(name, self._services.now())
            self._tags.pop(name, None)
        return {"JobName": name}

    def tag(self, call: Call) -> dict[str, Any]:
        tags = self._tags_of(call)
        _check_tags({**tags, **call.params["TagsToAdd"]})
        tags.update(call.params["TagsToAdd"])
        return {}

    def untag(self, call: Call) -> dict[str, Any]:
        tags = self._tags_of(call)
        for key in call.params["TagsToRemove"]:
            tags.pop(key, None)
        return {}

    def tags(self, call: Call) -> dict[str, Any]:
        return {"Tags": dict(self._tags_of(call))}

    def role_arn(self, role: str) -> str:
        """Glue takes a role's name or its ARN."""
        return role if role.startswith("arn:") else f"arn:aws:iam::{self._world.account}:role/{role}"

    def _visible(self) -> list[tuple[int, Summary]]:
        return self._store.visible(self._services.now(), self._world.faults.list_lag)

    def _check_role(self, call: Call, role: str) -> None:
        arn = self.role_arn(role)
        check_pass_role(self._world, call.caller, arn)
        if not self._world.identity.service_may_assume(arn, PRINCIPAL):
            raise words.role_not_assumable(role)

    def _tags_of(self, call: Call) -> dict[str, str]:
        arn: str = call.params["ResourceArn"]
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        if kind != "job" or name not in self._tags:
            raise words.job_absent(name or arn)
        return self._tags[name]


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > 50:
        raise words.invalid("A resource can have at most 50 tags.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise words.invalid(f"The tag key {key} begins with the reserved prefix aws:.")


def _with_defaults(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with Glue's defaults; refuses what Glue refuses."""
    command = {"PythonVersion": "3", **definition["Command"]}
    kind = command.get("Name")
    if kind not in COMMANDS:
        raise words.invalid(f"Invalid Command Name: {kind}. Give one of {', '.join(sorted(COMMANDS))}.")
    if not command.get("ScriptLocation"):
        raise words.invalid("Command.ScriptLocation is required.")
    if definition.get("JobRunQueuingEnabled"):
        raise words.invalid("JobRunQueuingEnabled is not supported in this local AWS.")
    capacity = _capacity(kind, command["PythonVersion"], definition)
    return {
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "MaxRetries": 0,
        "Timeout": _TIMEOUT_MINUTES,
        "JobMode": "SCRIPT",
        "GlueVersion": "3.0" if kind == "pythonshell" else "4.0",
        **capacity,
        **definition,
        "Command": command,
    }


def _capacity(kind: str, python: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    workers = {"WorkerType", "NumberOfWorkers"} & definition.keys()
    if kind != "pythonshell":
        if workers and "MaxCapacity" in definition:
            raise words.invalid("Please set only Allocated Capacity or Worker Type and Number of Workers")
        return {} if workers else {"MaxCapacity": 10.0, "AllocatedCapacity": 10}
    if workers:
        raise words.invalid(f"Worker Type is not supported for Job Command pythonshell and Python Version {python}")
    if definition.get("MaxCapacity", 0.0625) not in _PYTHON_SHELL_CAPACITIES:
        raise words.invalid("Max Capacity of a pythonshell job must be 0.0625 or 1.")
    return {"MaxCapacity": 0.0625, "AllocatedCapacity": 0}
