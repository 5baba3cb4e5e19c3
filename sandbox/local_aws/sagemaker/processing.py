"""Processing jobs: Create, Describe, Stop, List, Delete, with the rules that no service model holds."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from local_aws.lifecycle import Halt, Lifecycle, Limits
from local_aws.permissions import check_pass_role
from local_aws.sagemaker import store, tags, words
from local_aws.sagemaker.processing_record import TERMINAL, ProcessingJob
from local_aws.sagemaker.processing_work import ProcessingWork
from local_aws.service import Call, Operations
from local_aws.services import Services

PRINCIPAL = "sagemaker.amazonaws.com"
_EVENT = "SageMaker Processing Job State Change"
_PREFIX = PurePosixPath("/opt/ml/processing")


class ProcessingJobs:
    """All processing jobs of one world."""

    def __init__(self, services: Services, tag_store: tags.Tags) -> None:
        self._services = services
        self._tags = tag_store
        self._jobs: store.Store[ProcessingJob] = store.Store(words.processing_job_absent, lambda job: words.processing_job_taken(job.arn))
        self._numbers = itertools.count(1)
        services.world.settings.setdefault("processing.startingSeconds", 0.05)
        services.world.settings.setdefault("processing.syncSeconds", 5.0)
        tag_store.register("processing-job", self._jobs.get)

    def operations(self) -> Operations:
        return {
            ("sagemaker", "CreateProcessingJob"): self.create,
            ("sagemaker", "DescribeProcessingJob"): self.describe,
            ("sagemaker", "StopProcessingJob"): self.stop,
            ("sagemaker", "DeleteProcessingJob"): self.delete,
            ("sagemaker", "ListProcessingJobs"): self.list,
        }

    def create(self, call: Call) -> dict[str, Any]:
        request, world = call.params, self._services.world
        _check(request)
        wanted = tags.requested(request.get("Tags"))
        check_pass_role(world, call.caller, request["RoleArn"])
        if not world.identity.service_may_assume(request["RoleArn"], PRINCIPAL):
            raise words.role_not_assumable(request["RoleArn"])
        name = request["ProcessingJobName"]
        self._jobs.check_free(name)
        arn = f"arn:aws:sagemaker:{world.region}:{world.account}:processing-job/{name}"
        cluster = request["ProcessingResources"]["ClusterConfig"]
        quota, count = f"{cluster['InstanceType']} for processing job usage", cluster["InstanceCount"]
        self._services.quotas.reserve(quota, count)
        job = ProcessingJob(arn, request, self._services.now(), self._changed)
        lifecycle = job.lifecycle = self._lifecycle(job)
        try:
            self._jobs.add(job)
        except Exception:
            self._services.quotas.release(quota, count)
            raise
        self._tags.put(arn, wanted)
        self._changed(job)
        lifecycle.begin()
        return {"ProcessingJobArn": arn}

    def describe(self, call: Call) -> dict[str, Any]:
        return self._jobs.get(call.params["ProcessingJobName"]).describe()

    def stop(self, call: Call) -> dict[str, Any]:
        job = self._jobs.get(call.params["ProcessingJobName"])
        if job.status in TERMINAL:
            raise words.wrong_status("processing job", job.status)
        job.halt(Halt.STOP)
        return {}

    def delete(self, call: Call) -> dict[str, Any]:
        job = self._jobs.get(call.params["ProcessingJobName"])
        if job.status not in TERMINAL:
            raise words.not_deletable("processing job", job.status)
        self._jobs.remove(job.name, self._services.now())
        self._tags.drop(job.arn)
        return {}

    def list(self, call: Call) -> dict[str, Any]:
        world = self._services.world
        entries = self._jobs.visible(self._services.now(), world.faults.list_lag)
        return store.page(entries, call.params).answer("ProcessingJobSummaries")

    def _lifecycle(self, job: ProcessingJob) -> Lifecycle:
        world = self._services.world
        folder = world.folder / "processing" / f"{next(self._numbers):06d}-{job.name}"
        forced = world.faults.next_job_failure("ProcessingJob", job.name)
        work = ProcessingWork(self._services, job, folder, None if forced is None else forced.reason)
        limits = Limits(world.settings["processing.startingSeconds"], job.max_runtime)
        return Lifecycle(self._services, work, limits, words.INTERNAL_ERROR)

    def _changed(self, job: ProcessingJob) -> None:
        self._services.events.publish("aws.sagemaker", _EVENT, [job.arn], job.describe())


def _check(request: Mapping[str, Any]) -> None:
    """Rules between members: names and paths are unique, paths lie where SageMaker mounts them."""
    inputs = request.get("ProcessingInputs", ())
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", ())
    _unique("input names", (entry["InputName"] for entry in inputs))
    _unique("output names", (entry["OutputName"] for entry in outputs))
    paths = [_input_path(entry) for entry in inputs]
    paths += [_output_path(entry) for entry in outputs]
    _unique("LocalPath values", (path for path in paths if path is not None))
    for path in paths:
        if path is not None and not _mounted(path):
            raise words.validation(f"LocalPath {path} must be an absolute path that starts with {_PREFIX}/.")


def _input_path(entry: Mapping[str, Any]) -> str | None:
    source = entry.get("S3Input")
    if (source is None) == ("DatasetDefinition" not in entry):
        raise words.validation(f"Input {entry['InputName']} must have exactly one of S3Input and DatasetDefinition.")
    if source is None or entry.get("AppManaged", False):
        return None
    if "LocalPath" not in source:
        raise words.validation(f"Input {entry['InputName']} must have a LocalPath unless it is AppManaged.")
    path: str = source["LocalPath"]
    return path


def _output_path(entry: Mapping[str, Any]) -> str | None:
    target = entry.get("S3Output")
    if target is None:
        raise words.validation(f"Output {entry['OutputName']}: only S3Output is supported in this local AWS.")
    if entry.get("AppManaged", False):
        return None
    if "LocalPath" not in target:
        raise words.validation(f"Output {entry['OutputName']} must have a LocalPath unless it is AppManaged.")
    path: str = target["LocalPath"]
    return path


def _mounted(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.is_relative_to(_PREFIX) and pure != _PREFIX and ".." not in pure.parts


def _unique(what: str, values: Iterable[str]) -> None:
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
    if twice:
        raise words.validation(f"Processing {what} must be unique, but found more than once: {', '.join(twice)}.")
