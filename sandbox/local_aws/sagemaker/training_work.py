"""How a training job does its work: download, run, collect metrics, upload, end.

The `Work` of `lifecycle` for training: it fills `/opt/ml` as the container contract asks, runs the command or
the user's script, and saves what the process left. Source: developer guide, "How Amazon SageMaker Provides
Training Information".
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws import images, metrics, storage
from local_aws.clock import Timer
from local_aws.executor import Exit, Process, contract
from local_aws.executor.toolkit import SUBMIT_DIRECTORY
from local_aws.lifecycle import Halt, JobFailedError
from local_aws.logs import Followed, Line
from local_aws.permissions import JobIdentity, job_identity
from local_aws.sagemaker import channels, containers, failure, words
from local_aws.sagemaker.training_record import TrainingJob
from local_aws.services import Services

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
CHECKPOINTS = "/opt/ml/checkpoints"


class TrainingWork:
    """One training job's work; each method is one phase of `Lifecycle`.

    `forced` is a FailureReason that the job is to end with before it gets capacity; `interrupt` is called
    once the process runs, to take its spot capacity away.
    """

    def __init__(
        self,
        services: Services,
        job: TrainingJob,
        folder: Path,
        forced: str | None = None,
        interrupt: Callable[[], None] | None = None,
    ) -> None:
        self._services = services
        self._job = job
        self._folder = folder
        self._ml = folder / "ml"
        self._log = folder / "log"
        self._forced = forced
        self._interrupt = interrupt
        self._definitions = metrics.compile_definitions(job.request["AlgorithmSpecification"].get("MetricDefinitions", ()))
        self._data: list[metrics.Datum] = []
        self._command: contract.Command | None = None
        self._followed: Followed | None = None
        self._identity: JobIdentity | None = None
        self._timers: list[Timer] = []
        self._synced = 0.0

    def prepare(self) -> Process:
        if self._forced is not None:
            raise JobFailedError(self._forced)
        request = self._job.request
        with containers.as_failure_reasons():
            image = images.resolve(request["AlgorithmSpecification"]["TrainingImage"])
            self._job.moved("Downloading", self._services.now())
            contract.write_training_folder(self._ml, request)
            (self._ml / "tmp").mkdir()
            reader = self._reader()
            for channel in request.get("InputDataConfig", ()):
                self._download(reader, channel)
            self._restore_checkpoints(reader)
            self._fetch_source()
            self._command = contract.training_command(self._ml, request)
            place = containers.Place(self._job.name, self._ml, self._log, self._services.world.folder)
            return containers.process(image, self._command, self._environment(request, image.framework_module), place)

    def started(self) -> None:
        now = self._services.now()
        self._job.moved("Training", now)
        stream = f"{self._job.name}/algo-1-{int(now.timestamp())}"
        self._followed = self._services.logs.follow(self._log, LOG_GROUP, stream, self._read_metrics)
        clock, settings = self._services.world.clock, self._services.world.settings
        if self._interrupt is not None:
            interrupt = self._interrupt
            self._timers.append(clock.call_later(settings["spot.interruptionSeconds"], lambda: self._services.submit(interrupt)))
        if "CheckpointConfig" in self._job.request:
            self._schedule_sync()

    def halting(self, halt: Halt) -> None:
        self._job.stopping(self._services.now())

    def collect(self, outcome: Exit, halt: Halt | None) -> None:
        self._cancel_timers()
        if self._followed is not None:
            self._followed.finish()
        self._job.metrics = metrics.final(self._data)
        metrics.publish(self._services.world.client("cloudwatch"), self._job.name, self._data)
        if outcome.code != 0 and halt is None:
            self._save_quietly()
            raise JobFailedError(failure.reason(outcome, self._ml / "output/failure", self._log, self._shown_command()))
        self._job.moved("Uploading", self._services.now())
        self._upload()

    def ended(self, reason: str | None, halt: Halt | None) -> None:
        self._cancel_timers()
        if self._identity is not None:
            self._services.world.identity.revoke(self._identity.access_key_id)
        status, secondary = _final_state(reason, halt)
        self._services.discard(self._ml)
        self._charge_and_end(status, secondary, reason)

    def _charge_and_end(self, status: str, secondary: str, reason: str | None) -> None:
        resource = self._job.request["ResourceConfig"]
        count = resource["InstanceCount"]
        self._services.quotas.release(f"{resource['InstanceType']} for training job usage", count)
        self._job.ended(status, secondary, self._services.now(), reason)
        seconds = self._job.billable_seconds()
        if seconds is not None:
            self._services.cost.instances("training-job", self._job.name, resource["InstanceType"], count, seconds)

    def _reader(self) -> channels.Reader:
        world = self._services.world
        return channels.Reader(self._services.storage, world.region, self._job.request["RoleArn"])

    def _download(self, reader: channels.Reader, channel: Mapping[str, Any]) -> None:
        source = channels.channel_source(channel)
        name = channel["ChannelName"]
        if source is None:
            raise JobFailedError(words.client_error(f"Channel {name}: file system data sources are not supported here"))
        if channel.get("InputMode", "File") == "Pipe":
            raise JobFailedError(words.client_error(f"Channel {name}: input mode Pipe is not supported here"))
        reader.download(*source, self._ml / "input/data" / name)

    def _restore_checkpoints(self, reader: channels.Reader) -> None:
        config = self._job.request.get("CheckpointConfig")
        if config is None:
            return
        folder = self._checkpoints()
        folder.mkdir(parents=True, exist_ok=True)
        if self._services.storage.exists(storage.parse(config["S3Uri"])):
            reader.download("S3Prefix", config["S3Uri"], folder)

    def _checkpoints(self) -> Path:
        return contract.inside(self._ml, self._job.request["CheckpointConfig"].get("LocalPath", CHECKPOINTS))

    def _schedule_sync(self) -> None:
        seconds = self._services.world.settings["training.checkpointSyncSeconds"]
        self._timers.append(self._services.world.clock.call_later(seconds, lambda: self._services.submit(self._sync)))

    def _sync(self) -> None:
        """New checkpoints while the job runs, as AWS copies them; a refusal waits for the end of the job, which reports it."""
        if not self._timers:
            return
        self._timers.clear()
        self._schedule_sync()
        began = time.time()
        with contextlib.suppress(storage.StorageError):
            self._put_checkpoints(self._synced)
            self._synced = began

    def _cancel_timers(self) -> None:
        timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()

    def _fetch_source(self) -> None:
        uri = contract.source_uri(self._job.request)
        if uri is None:
            return
        archive = self._folder / "sourcedir.tar.gz"
        try:
            self._services.storage.fetch(storage.parse(uri), archive)
        except (ValueError, storage.StorageError) as error:
            raise contract.ContractError(f"{SUBMIT_DIRECTORY} {uri} can't be read: {error}") from error
        contract.unpack_source(self._ml, archive)

    def _environment(self, request: Mapping[str, Any], framework_module: str) -> dict[str, str]:
        world = self._services.world
        self._identity = job_identity(world, request["RoleArn"], "SageMaker")
        own = contract.training_environment(request, self._job.arn, world.region, framework_module)
        return {**self._identity.environment, "TMPDIR": "/opt/ml/tmp", **own}

    def _read_metrics(self, lines: Sequence[Line]) -> None:
        if self._definitions:
            for line in lines:
                self._data += metrics.extract(self._definitions, line.text, line.at)

    def _shown_command(self) -> Sequence[str] | None:
        return self._command.argv if self._command is not None and self._command.user_script else None

    def _save_quietly(self) -> None:
        """A failed job's output data and checkpoints are still uploaded, as AWS does; its model is not."""
        try:
            self._upload_output()
        except storage.StorageError:
            return

    def _upload(self) -> None:
        target = self._output()
        model = self._ml / "model"
        model.mkdir(exist_ok=True)  # the script may have removed it
        try:
            if self._job.request["OutputDataConfig"].get("CompressionType", "GZIP") == "NONE":
                self._services.storage.put_folder(target.join("model"), model)
                artifacts = f"{target.join('model')}/"
            else:
                self._services.storage.put_archive(target.join("model.tar.gz"), model, self._folder / "model.tar.gz")
                artifacts = str(target.join("model.tar.gz"))
            self._upload_output()
        except storage.StorageError as error:
            raise JobFailedError(words.client_error(f"Artifact upload failed:{error.code}: {error.message}")) from error
        self._job.artifacts = artifacts

    def _upload_output(self) -> None:
        data = self._ml / "output/data"
        if data.is_dir() and any(data.iterdir()):
            target = self._output().join("output.tar.gz")
            self._services.storage.put_archive(target, data, self._folder / "output.tar.gz")
        if "CheckpointConfig" in self._job.request:
            self._put_checkpoints(self._synced)

    def _put_checkpoints(self, newer_than: float) -> None:
        uri = storage.parse(self._job.request["CheckpointConfig"]["S3Uri"])
        self._services.storage.put_folder(uri, self._checkpoints(), newer_than)

    def _output(self) -> storage.S3Uri:
        base = storage.parse(self._job.request["OutputDataConfig"]["S3OutputPath"])
        return base.join(self._job.name, "output")


def _final_state(reason: str | None, halt: Halt | None) -> tuple[str, str]:
    """(TrainingJobStatus, SecondaryStatus) of a job that has ended."""
    if reason is not None:
        return "Failed", "Failed"
    match halt:
        case None:
            return "Completed", "Completed"
        case Halt.STOP:
            return "Stopped", "Stopped"
        case Halt.MAX_RUNTIME:
            return "Stopped", "MaxRuntimeExceeded"
        case Halt.MAX_WAIT:
            return "Stopped", "MaxWaitTimeExceeded"
        case Halt.INTERRUPTION:
            return "Stopped", "Interrupted"
