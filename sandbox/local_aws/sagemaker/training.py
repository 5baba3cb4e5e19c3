"""Training jobs: Create, Describe, Stop, List, Delete, with the rules that no service model holds.

The record is `training_record`, the work `training_work`; here are the calls and who may make them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from local_aws import metrics
from local_aws.lifecycle import Halt, Lifecycle, Limits
from local_aws.permissions import check_pass_role
from local_aws.sagemaker import store, tags, words
from local_aws.sagemaker.training_record import TERMINAL, TrainingJob
from local_aws.sagemaker.training_work import TrainingWork
from local_aws.service import Call, Operations
from local_aws.services import Services

PRINCIPAL = "sagemaker.amazonaws.com"
INTERRUPTION = "SpotInterruption"
_EVENT = "SageMaker Training Job State Change"


class TrainingJobs:
    """All training jobs of one world."""

    def __init__(self, services: Services, tag_store: tags.Tags) -> None:
        self._services = services
        self._tags = tag_store
        self._jobs: store.Store[TrainingJob] = store.Store(words.training_job_absent, lambda job: words.training_job_taken(job.arn))
        self._numbers = itertools.count(1)
        services.world.settings.setdefault("training.startingSeconds", 0.05)
        services.world.settings.setdefault("training.checkpointSyncSeconds", 1.0)
        services.world.settings.setdefault("spot.interruptionSeconds", 1.0)
        tag_store.register("training-job", self._jobs.get)

    def operations(self) -> Operations:
        return {
            ("sagemaker", "CreateTrainingJob"): self.create,
            ("sagemaker", "DescribeTrainingJob"): self.describe,
            ("sagemaker", "StopTrainingJob"): self.stop,
            ("sagemaker", "DeleteTrainingJob"): self.delete,
            ("sagemaker", "ListTrainingJobs"): self.list,
        }

    def create(self, call: Call) -> dict[str, Any]:
        request, world = call.params, self._services.world
        _check(request)
        wanted = tags.requested(request.get("Tags"))
        check_pass_role(world, call.caller, request["RoleArn"])
        if not world.identity.service_may_assume(request["RoleArn"], PRINCIPAL):
            raise words.role_not_assumable(request["RoleArn"])
        name = request["TrainingJobName"]
        self._jobs.check_free(name)
        arn = f"arn:aws:sagemaker:{world.region}:{world.account}:training-job/{name}"
        resource = request["ResourceConfig"]
        quota, count = f"{resource['InstanceType']} for training job usage", resource["InstanceCount"]
        self._services.quotas.reserve(quota, count)
        job = TrainingJob(arn, request, self._services.now(), self._changed)
        lifecycle = job.lifecycle = self._lifecycle(job)
        try:
            self._jobs.add(job)
        except Exception:
            self._services.quotas.release(quota, count)
            raise
        self._tags.put(arn, wanted)
        self._changed(job)
        lifecycle.begin()
        return {"TrainingJobArn": arn}

    def describe(self, call: Call) -> dict[str, Any]:
        return self._jobs.get(call.params["TrainingJobName"]).describe()

    def stop(self, call: Call) -> dict[str, Any]:
        job = self._jobs.get(call.params["TrainingJobName"])
        if job.status in TERMINAL:
            raise words.wrong_status("training job", job.status)
        job.halt(Halt.STOP)
        return {}

    def delete(self, call: Call) -> dict[str, Any]:
        job = self._jobs.get(call.params["TrainingJobName"])
        if job.status not in TERMINAL:
            raise words.not_deletable("training job", job.status)
        self._jobs.remove(job.name, self._services.now())
        self._tags.drop(job.arn)
        return {}

    def list(self, call: Call) -> dict[str, Any]:
        world = self._services.world
        entries = self._jobs.visible(self._services.now(), world.faults.list_lag)
        return store.page(entries, call.params).answer("TrainingJobSummaries")

    def _lifecycle(self, job: TrainingJob) -> Lifecycle:
        world = self._services.world
        folder = world.folder / "training" / f"{next(self._numbers):06d}-{job.name}"
        forced = world.faults.next_job_failure("TrainingJob", job.name)
        interrupted = forced is not None and forced.reason == INTERRUPTION
        work = TrainingWork(
            self._services,
            job,
            folder,
            forced.reason if forced is not None and not interrupted else None,
            (lambda: job.halt(Halt.INTERRUPTION)) if interrupted else None,
        )
        limits = Limits(world.settings["training.startingSeconds"], *job.limits)
        return Lifecycle(self._services, work, limits, words.INTERNAL_ERROR)

    def _changed(self, job: TrainingJob) -> None:
        self._services.events.publish("aws.sagemaker", _EVENT, [job.arn], job.describe())


def _check(request: Mapping[str, Any]) -> None:
    """Rules between members."""
    algorithm = request.get("AlgorithmSpecification")
    if algorithm is None:
        raise words.validation("AlgorithmSpecification is required to create a training job.")
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise words.validation("Exactly one of TrainingImage and AlgorithmName must be specified.")
    if "AlgorithmName" in algorithm:
        raise words.validation(f"Could not find algorithm {algorithm['AlgorithmName']}.")
    _check_resource(request.get("ResourceConfig", {}))
    _check_channels(request)
    _check_spot(request)
    try:
        metrics.compile_definitions(algorithm.get("MetricDefinitions", ()))
    except ValueError as error:
        raise words.validation(f"Invalid MetricDefinitions: {error}") from error


def _check_resource(resource: Mapping[str, Any]) -> None:
    if "InstanceGroups" in resource:
        raise words.validation("ResourceConfig.InstanceGroups is not supported in this local AWS.")
    for member in ("InstanceType", "InstanceCount"):
        if member not in resource:
            raise words.validation(f"ResourceConfig.{member} is required when InstanceGroups is not specified.")


def _check_channels(request: Mapping[str, Any]) -> None:
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", ())]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise words.validation(f"Channel names must be unique, but {', '.join(twice)} is used more than once.")


def _check_spot(request: Mapping[str, Any]) -> None:
    condition = request.get("StoppingCondition", {})
    wait = condition.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining", False):
        if wait is not None:
            raise words.validation("Invalid MaxWaitTimeInSeconds. It must not be present when EnableManagedSpotTraining is false")
    elif wait is None or wait < condition.get("MaxRuntimeInSeconds", 86_400):
        raise words.validation("Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds")
