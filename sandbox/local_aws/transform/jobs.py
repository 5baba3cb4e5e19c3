"""Transform jobs: Create, Describe, Stop, List. AWS has no operation to delete one."""

from __future__ import annotations

import itertools
from typing import Any, Final

from local_aws.sagemaker import store, tags, words
from local_aws.sagemaker.models import Models
from local_aws.service import Call, Operations
from local_aws.services import Services
from local_aws.transform.check import check
from local_aws.transform.record import TERMINAL, TransformJob
from local_aws.transform.run import TransformRun

_EVENT: Final = "SageMaker Transform Job State Change"
_FAILURE: Final = "TransformJob"


class TransformJobs:
    """All transform jobs of one world."""

    def __init__(self, services: Services, tag_store: tags.Tags, models: Models) -> None:
        self._services = services
        self._tags = tag_store
        self._models = models
        # Processing and transform jobs share AWS's words.
        self._jobs: store.Store[TransformJob] = store.Store(words.processing_job_absent, lambda job: words.processing_job_taken(job.arn))
        self._numbers = itertools.count(1)
        services.world.settings.setdefault("transform.startingSeconds", 0.05)
        services.world.on_close(self._close)
        tag_store.register("transform-job", self._jobs.get)

    def operations(self) -> Operations:
        return {
            ("sagemaker", "CreateTransformJob"): self.create,
            ("sagemaker", "DescribeTransformJob"): self.describe,
            ("sagemaker", "StopTransformJob"): self.stop,
            ("sagemaker", "ListTransformJobs"): self.list,
        }

    def create(self, call: Call) -> dict[str, Any]:
        request, world = call.params, self._services.world
        check(request)
        wanted = tags.requested(request.get("Tags"))
        name = request["TransformJobName"]
        self._jobs.check_free(name)
        model = self._models.get(request["ModelName"]).body
        arn = f"arn:aws:sagemaker:{world.region}:{world.account}:transform-job/{name}"
        job = TransformJob(arn, request, self._services.now(), self._changed)
        instance_type, count = job.instances
        quota = f"{instance_type} for transform job usage"
        self._services.quotas.reserve(quota, count)
        try:
            self._jobs.add(job)
        except Exception:
            self._services.quotas.release(quota, count)
            raise
        self._tags.put(arn, wanted)
        self._changed(job)
        forced = world.faults.next_job_failure(_FAILURE, name)
        folder = world.folder / "transform" / f"{next(self._numbers):06d}-{name}"
        run = TransformRun(self._services, job, model, folder, None if forced is None else forced.reason)
        job.stop = run.stop
        run.begin()
        return {"TransformJobArn": arn}

    def describe(self, call: Call) -> dict[str, Any]:
        return self._jobs.get(call.params["TransformJobName"]).describe()

    def stop(self, call: Call) -> dict[str, Any]:
        job = self._jobs.get(call.params["TransformJobName"])
        if job.status in TERMINAL:
            raise words.wrong_status("transform job", job.status)
        job.stop()
        return {}

    def list(self, call: Call) -> dict[str, Any]:
        entries = self._jobs.visible(self._services.now(), self._services.world.faults.list_lag)
        return store.page(entries, call.params, default_order="Descending").answer("TransformJobSummaries")

    def _changed(self, job: TransformJob) -> None:
        self._services.events.publish("aws.sagemaker", _EVENT, [job.arn], {**job.describe(), "Tags": self._tags.get(job.arn)})

    def _close(self) -> None:
        for job in self._jobs.records():
            if job.status not in TERMINAL:
                job.stop()
