"""SageMaker training and processing jobs: names are unique for ever, states move with virtual time, reads may lag.

Sources: Amazon SageMaker API Reference (Create/Describe/Stop/List TrainingJob and ProcessingJob); the words of refusals are
those of sandbox/local_aws/sagemaker/words.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.simulation.aws import Context, Ending, Handler, Refused, Tags
from tests.simulation.clock import START

STOP_TAKES = 10.0  # seconds
EVALUATION = {"accuracy": 0.97}


@dataclass(slots=True)
class Work:
    """One job or run. A read at time t shows its state of t minus the lag."""

    name: str
    type: str
    tags: Tags
    created: float
    ending: Ending
    describe_lag: float
    list_lag: float
    parameters: Mapping[str, Any]
    stopped: float | None = None

    @property
    def ends(self) -> float:
        natural = self.created + self.ending.seconds
        return natural if self.stopped is None else min(natural, self.stopped + STOP_TAKES)

    @property
    def halted(self) -> bool:
        """Whether it ended, or will end, because it was stopped."""
        return self.stopped is not None and self.stopped + STOP_TAKES < self.created + self.ending.seconds

    def active(self, now: float) -> bool:
        return now < self.ends

    def status(self, now: float) -> str:
        """In SageMaker's words."""
        if now >= self.ends:
            return "Stopped" if self.halted else ("Completed" if self.ending.succeeds else "Failed")
        return "Stopping" if self.stopped is not None and now >= self.stopped else "InProgress"


def moment(seconds: float) -> Any:
    return START + timedelta(seconds=seconds)


def evaluated(work: Work) -> Mapping[str, bytes]:
    """What the script of an evaluate step writes."""
    return {"evaluation.json": json.dumps(EVALUATION).encode()}


class Jobs:
    """Both kinds of SageMaker job. `written`: the files that a processing job leaves in its outputs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.works: dict[str, Work] = {}
        self.written: Callable[[Work], Mapping[str, bytes]] = evaluated

    def handlers(self) -> dict[str, Handler]:
        return {
            "sagemaker:CreateTrainingJob": lambda p: self._create("TrainingJob", p),
            "sagemaker:CreateProcessingJob": lambda p: self._create("ProcessingJob", p),
            "sagemaker:DescribeTrainingJob": self._describe_training,
            "sagemaker:DescribeProcessingJob": self._describe_processing,
            "sagemaker:StopTrainingJob": lambda p: self._stop("TrainingJob", p),
            "sagemaker:StopProcessingJob": lambda p: self._stop("ProcessingJob", p),
            "sagemaker:ListTrainingJobs": lambda p: self._list("TrainingJob", p),
            "sagemaker:ListProcessingJobs": lambda p: self._list("ProcessingJob", p),
        }

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        return {
            "training-job": lambda name: self._view("TrainingJob", name)[0].tags,
            "processing-job": lambda name: self._view("ProcessingJob", name)[0].tags,
        }

    def _create(self, type_: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name, operation = parameters[f"{type_}Name"], f"Create{type_}"
        if name in self.works:
            taken = {"TrainingJob": "Training job names", "ProcessingJob": "Job name"}[type_]
            message = (
                f"{taken} must be unique within an AWS account and region, and a job with this name already exists ({_arn(type_, name)})"
            )
            raise self._context.refuse(operation, name, "ResourceInUse", message)
        tags = {tag["Key"]: tag["Value"] for tag in parameters["Tags"]}
        describe_lag, list_lag = self._context.lags()
        ending = self._context.ending(tags, parameters)
        work = Work(name, type_, tags, self._context.now, ending, describe_lag, list_lag, parameters)
        self.works[name] = work
        self._context.accept(operation, name)
        self._at_end(work)
        return {f"{type_}Arn": _arn(type_, name)}

    def _at_end(self, work: Work) -> None:
        def end() -> None:
            if self._context.now < work.ends or (work.halted and self._context.now > work.ends):
                return
            if work.type == "ProcessingJob" and work.status(self._context.now) == "Completed":
                self._write_outputs(work)
            self._context.emit(work.name, work.status(self._context.now))

        self._context.agenda.add(work.ends - self._context.now, end)

    def _write_outputs(self, work: Work) -> None:
        for output in work.parameters["ProcessingOutputConfig"]["Outputs"]:
            bucket, _, prefix = output["S3Output"]["S3Uri"].removeprefix("s3://").partition("/")
            self._context.objects |= {(bucket, f"{prefix}{name}"): content for name, content in self.written(work).items()}

    def _view(self, type_: str, name: str) -> tuple[Work, float]:
        """The job as a replica shows it now."""
        work = self.works.get(name)
        seen = self._context.now - (work.describe_lag if work else 0.0)
        if work is None or work.type != type_ or seen < work.created:
            self._context.looked(name, False)
            message = "Requested resource not found." if type_ == "TrainingJob" else f"Could not find requested job with name: {name}"
            raise Refused("ValidationException", message)
        return work, seen

    def _describe_training(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        work, seen = self._view("TrainingJob", parameters["TrainingJobName"])
        status = work.status(seen)
        answer = self._described(work, seen, "Training") | {"SecondaryStatus": "Training" if status == "InProgress" else status}
        if status == "Completed":
            path = work.parameters["OutputDataConfig"]["S3OutputPath"]
            answer["ModelArtifacts"] = {"S3ModelArtifacts": f"{path}/{work.name}/output/model.tar.gz"}
        return answer

    def _describe_processing(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return self._described(*self._view("ProcessingJob", parameters["ProcessingJobName"]), "Processing")

    def _described(self, work: Work, seen: float, word: str) -> dict[str, Any]:
        status = work.status(seen)
        self._context.looked(work.name, work.active(seen))
        answer = {
            f"{word}JobName": work.name,
            f"{word}JobStatus": status,
            "CreationTime": moment(work.created),
            f"{word}StartTime": moment(work.created),
        }
        if not work.active(seen):
            answer[f"{word}EndTime"] = moment(work.ends)
        if status == "Failed":
            answer["FailureReason"] = work.ending.reason
        return answer

    def _stop(self, type_: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        name = parameters[f"{type_}Name"]
        work = self.works.get(name)
        if work is None:
            raise Refused("ValidationException", "Requested resource not found.")
        word = "training job" if type_ == "TrainingJob" else "processing job"
        if not work.active(self._context.now):
            message = f"The request was rejected because the {word} is in status {work.status(self._context.now)}."
            raise self._context.refuse(f"Stop{type_}", name, "ValidationException", message)
        self._context.accept(f"Stop{type_}", name)
        if work.stopped is None:
            work.stopped = self._context.now
            self._at_end(work)
        return {}

    def _list(self, type_: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        after = parameters.get("CreationTimeAfter")
        summaries = []
        for work in self.works.values():
            seen = self._context.now - work.list_lag
            self._context.looked(work.name, seen >= work.created and work.active(seen))
            if work.type != type_ or seen < work.created or parameters.get("NameContains", "") not in work.name:
                continue
            if parameters.get("StatusEquals", work.status(seen)) != work.status(seen):
                continue
            if after is None or moment(work.created) >= after:
                summaries.append({f"{type_}Name": work.name, f"{type_}Status": work.status(seen), "CreationTime": moment(work.created)})
        return {f"{type_}Summaries": summaries[::-1]}


def _arn(type_: str, name: str) -> str:
    path = "training-job" if type_ == "TrainingJob" else "processing-job"
    return f"arn:aws:sagemaker:eu-central-1:123456789012:{path}/{name}"
