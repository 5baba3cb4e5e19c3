"""How a processing job does its work: download inputs, run the container's command, upload outputs, end.

The `Work` of `lifecycle` for processing. Source: developer guide, "Build Your Own Processing Container".
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from local_aws import images, storage
from local_aws.clock import Timer
from local_aws.executor import Exit, Process, contract
from local_aws.lifecycle import Halt, JobFailedError
from local_aws.logs import Followed
from local_aws.permissions import JobIdentity, job_identity
from local_aws.sagemaker import channels, containers, failure, words
from local_aws.sagemaker.processing_record import ProcessingJob
from local_aws.services import Services

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
TIMED_OUT = "ClientError: Job runtime exceeded MaxRuntimeInSeconds provided"
_MESSAGE_BYTES = 1_024


class ProcessingWork:
    """One processing job's work; `forced` is a FailureReason to end with before it gets capacity."""

    def __init__(self, services: Services, job: ProcessingJob, folder: Path, forced: str | None) -> None:
        self._services = services
        self._job = job
        self._ml = folder / "ml"
        self._log = folder / "log"
        self._forced = forced
        self._followed: Followed | None = None
        self._identity: JobIdentity | None = None
        self._timer: Timer | None = None
        self._synced = 0.0

    def prepare(self) -> Process:
        if self._forced is not None:
            raise JobFailedError(self._forced)
        request, world = self._job.request, self._services.world
        with containers.as_failure_reasons():
            image = images.resolve(request["AppSpecification"]["ImageUri"])
            self._job.running(self._services.now())
            contract.write_processing_folder(self._ml, request, self._job.arn)
            for name in ("output", "tmp"):
                (self._ml / name).mkdir(exist_ok=True)
            reader = channels.Reader(self._services.storage, world.region, request["RoleArn"])
            for entry in request.get("ProcessingInputs", ()):
                self._download(reader, entry)
            place = containers.Place(self._job.name, self._ml, self._log, world.folder)
            return containers.process(image, contract.processing_command(request, image.command), self._environment(request), place)

    def started(self) -> None:
        now = self._services.now()
        stream = f"{self._job.name}/algo-1-{int(now.timestamp())}"
        self._followed = self._services.logs.follow(self._log, LOG_GROUP, stream)
        if self._outputs("Continuous"):
            self._schedule_sync()

    def halting(self, halt: Halt) -> None:
        self._job.stopping(self._services.now())

    def collect(self, outcome: Exit, halt: Halt | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._followed is not None:
            self._followed.finish()
        self._job.exit_message = _text(self._ml / "output/message")
        succeeded = outcome.code == 0
        self._upload("Continuous", self._synced)
        if succeeded:
            self._upload("EndOfJob", 0.0)
        elif halt is None:
            raise JobFailedError(failure.reason(outcome, self._ml / "output/failure", self._log, None))

    def ended(self, reason: str | None, halt: Halt | None) -> None:
        world = self._services.world
        if self._identity is not None:
            world.identity.revoke(self._identity.access_key_id)
        self._services.discard(self._ml)
        cluster = self._job.request["ProcessingResources"]["ClusterConfig"]
        instance_type, count = cluster["InstanceType"], cluster["InstanceCount"]
        self._services.quotas.release(f"{instance_type} for processing job usage", count)
        if reason is None and halt is Halt.MAX_RUNTIME:
            reason = TIMED_OUT
        status = "Failed" if reason is not None else "Completed" if halt is None else "Stopped"
        self._job.ended(status, self._services.now(), reason)
        seconds = self._job.billable_seconds()
        if seconds is not None:
            self._services.cost.instances("processing-job", self._job.name, instance_type, count, seconds)

    def _download(self, reader: channels.Reader, entry: Mapping[str, Any]) -> None:
        source = entry.get("S3Input")
        if source is None:
            raise JobFailedError(words.client_error(f"Input {entry['InputName']}: DatasetDefinition is not supported here"))
        if source.get("S3InputMode", "File") == "Pipe":
            raise JobFailedError(words.client_error(f"Input {entry['InputName']}: S3InputMode Pipe is not supported here"))
        if not entry.get("AppManaged", False):
            reader.download(source["S3DataType"], source["S3Uri"], self._local(source["LocalPath"]))

    def _environment(self, request: Mapping[str, Any]) -> dict[str, str]:
        self._identity = job_identity(self._services.world, request["RoleArn"], "SageMaker")
        return {
            **self._identity.environment,
            "PROCESSING_JOB_NAME": self._job.name,
            "PROCESSING_JOB_ARN": self._job.arn,
            "TMPDIR": "/opt/ml/tmp",
            **request.get("Environment", {}),
        }

    def _outputs(self, mode: str | None) -> list[Mapping[str, Any]]:
        """The S3 outputs that SageMaker uploads; None: of either mode."""
        outputs: Iterable[Mapping[str, Any]] = self._job.request.get("ProcessingOutputConfig", {}).get("Outputs", ())
        return [
            entry["S3Output"]
            for entry in outputs
            if "S3Output" in entry and not entry.get("AppManaged", False) and mode in (None, entry["S3Output"]["S3UploadMode"])
        ]

    def _upload(self, mode: str, newer_than: float) -> None:
        try:
            for output in self._outputs(mode):
                target = storage.parse(output["S3Uri"])
                self._services.storage.put_folder(target, self._local(output["LocalPath"]), newer_than)
        except storage.StorageError as error:
            reason = f"Failed to upload output data: {error.code}: {error.message}"
            raise JobFailedError(words.client_error(reason)) from error

    def _schedule_sync(self) -> None:
        seconds = self._services.world.settings["processing.syncSeconds"]

        def sync() -> None:
            self._services.submit(self._sync)

        self._timer = self._services.world.clock.call_later(seconds, sync)

    def _sync(self) -> None:
        """Continuous outputs while the job runs; a refusal waits for the end of the job, which reports it."""
        began = time.time()
        if self._job.status == "InProgress" and self._job.finished is None:
            self._schedule_sync()
            self._upload("Continuous", self._synced)
            self._synced = began

    def _local(self, path: str) -> Path:
        return contract.inside(self._ml, path)


def _text(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as source:
        return source.read(_MESSAGE_BYTES).decode("utf-8", "replace").strip() or None
