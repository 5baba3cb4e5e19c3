"""AWS's answers about one job, turned into a fact. Unknown statuses become Unknown, never an error and never an action.

Sources: Amazon SageMaker API Reference, DescribeTrainingJob, DescribeProcessingJob and DescribeTransformJob; AWS Glue API,
JobRun.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.aws.errors import failure_reason
from sagemaker_gitops.aws.logs import tail
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.training_run.facts import (
    Absent,
    Active,
    Failed,
    FailureClass,
    Foreign,
    JobFact,
    JobType,
    Succeeded,
    Unknown,
    Unstarted,
)
from sagemaker_gitops.core.kinds.training_run.requests import RUN_TOKEN_ARGUMENT
from sagemaker_gitops.core.kinds.training_run.status import ARN_PATHS, partition
from sagemaker_gitops.core.resource import Key

GLUE_RUNS_PAGE = 200
_SECONDARY = {
    "MaxRuntimeExceeded": FailureClass.MAX_RUNTIME,
    "MaxWaitTimeExceeded": FailureClass.MAX_RUNTIME,
    "Interrupted": FailureClass.SPOT,
}
_REASONS = (
    ("CapacityError", FailureClass.CAPACITY),
    ("InternalServerError", FailureClass.INTERNAL),
    ("ClientError", FailureClass.CLIENT),
    ("AlgorithmError", FailureClass.ALGORITHM),
)


async def look(aws: Aws, scope: Scope, type_: JobType, name: str) -> JobFact:
    """One job by its name. Reads only; a failed one costs a second call for its last log lines."""
    if type_ is JobType.GLUE_JOB:
        return await _glue_job(aws, scope, name)
    operation, parameter = {
        JobType.TRAINING_JOB: ("DescribeTrainingJob", "TrainingJobName"),
        JobType.PROCESSING_JOB: ("DescribeProcessingJob", "ProcessingJobName"),
        JobType.TRANSFORM_JOB: ("DescribeTransformJob", "TransformJobName"),
    }[type_]
    try:
        answer = await aws.call(scope, "sagemaker", operation, {parameter: name})
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return Absent()
        raise
    read = {JobType.TRAINING_JOB: _training_fact, JobType.PROCESSING_JOB: _processing_fact, JobType.TRANSFORM_JOB: _transform_fact}[type_]
    return await _with_log(aws, scope, type_, name, read(answer))


async def foreign_owner(aws: Aws, scope: Scope, type_: JobType, name: str, install: str, owner: Key) -> Foreign | None:
    """Foreign when the job's tags do not name `owner`. Ownership is a tag, never a name."""
    region, account = scope.region, scope.account
    if type_ is JobType.GLUE_JOB:
        arn = f"arn:{partition(region)}:glue:{region}:{account}:job/{name}"
        tags: Mapping[str, str] = (await aws.call(scope, "glue", "GetTags", {"ResourceArn": arn})).get("Tags", {})
    else:
        arn = f"arn:{partition(region)}:sagemaker:{region}:{account}:{ARN_PATHS[type_]}/{name}"
        listed = (await aws.call(scope, "sagemaker", "ListTags", {"ResourceArn": arn})).get("Tags", [])
        tags = {tag["Key"]: tag["Value"] for tag in listed}
    if naming.owned_by(tags, install, owner):
        return None
    named = [tags[tag] for tag in naming.OWNER_TAGS if tag in tags]
    return Foreign("/".join(named) or "somebody without our tags")


def _training_fact(answer: Mapping[str, Any]) -> JobFact:
    status, secondary = answer["TrainingJobStatus"], answer.get("SecondaryStatus", "")
    started = answer.get("TrainingStartTime") or answer.get("CreationTime")
    finished = answer.get("TrainingEndTime") or answer.get("LastModifiedTime")
    match status:
        case "InProgress" | "Stopping":
            return Active(started=started, stopping=status == "Stopping")
        case "Completed":
            metrics = {item["MetricName"]: float(item["Value"]) for item in answer.get("FinalMetricDataList", ())}
            artifacts = answer.get("ModelArtifacts", {}).get("S3ModelArtifacts")
            return Succeeded({"model": artifacts} if artifacts else {}, metrics, "", started, finished)
        case "Failed":
            reason = failure_reason(answer.get("FailureReason", ""))
            return Failed(_class_of(reason), reason, (), "", started, finished)
        case "Stopped":
            failure = _SECONDARY.get(secondary, FailureClass.STOPPED)
            return Failed(failure, f"the job ended as Stopped ({secondary})", (), "", started, finished)
        case _:
            return Unknown(status)


def _processing_fact(answer: Mapping[str, Any]) -> JobFact:
    status = answer["ProcessingJobStatus"]
    started = answer.get("ProcessingStartTime") or answer.get("CreationTime")
    finished = answer.get("ProcessingEndTime") or answer.get("LastModifiedTime")
    match status:
        case "InProgress" | "Stopping":
            return Active(started=started, stopping=status == "Stopping")
        case "Completed":
            return Succeeded({}, {}, "", started, finished)
        case "Failed":
            reason = failure_reason(answer.get("FailureReason") or answer.get("ExitMessage") or "no reason given")
            return Failed(_class_of(reason), reason, (), "", started, finished)
        case "Stopped":
            return Failed(FailureClass.STOPPED, "the job was stopped", (), "", started, finished)
        case _:
            return Unknown(status)


def _transform_fact(answer: Mapping[str, Any]) -> JobFact:
    """`started` is when the job was made, where it never came to run: a later trigger is told from an earlier one by it."""
    status = answer["TransformJobStatus"]
    started = answer.get("TransformStartTime") or answer.get("CreationTime")
    finished = answer.get("TransformEndTime")
    match status:
        case "InProgress" | "Stopping":
            return Active(started=started, stopping=status == "Stopping")
        case "Completed":
            return Succeeded({}, {}, "", started, finished)
        case "Failed":
            reason = failure_reason(answer.get("FailureReason") or "no reason given")
            return Failed(_class_of(reason), reason, (), "", started, finished)
        case "Stopped":
            return Failed(FailureClass.STOPPED, "the job was stopped", (), "", started, finished)
        case _:
            return Unknown(status)


async def _glue_job(aws: Aws, scope: Scope, name: str) -> JobFact:
    """A complete scan of the job's runs for our token; no run at all says when the job was made."""
    run, following = None, None
    while run is None:
        page = {"JobName": name, "MaxResults": GLUE_RUNS_PAGE} | ({"NextToken": following} if following else {})
        try:
            answer = await aws.call(scope, "glue", "GetJobRuns", page)
        except AwsFailure as failure:
            if failure.category is Category.NOT_FOUND:
                return Absent()
            raise
        run = next((item for item in answer.get("JobRuns", ()) if RUN_TOKEN_ARGUMENT in item.get("Arguments", {})), None)
        following = answer.get("NextToken")
        if run is None and not following:
            try:
                job = await aws.call(scope, "glue", "GetJob", {"JobName": name})
            except AwsFailure as failure:
                if failure.category is Category.NOT_FOUND:
                    return Absent()
                raise
            return Unstarted(job["Job"]["CreatedOn"])
    return await _with_log(aws, scope, JobType.GLUE_JOB, name, _glue_fact(run))


def _glue_fact(run: Mapping[str, Any]) -> JobFact:
    state, started, finished = run["JobRunState"], run.get("StartedOn"), run.get("CompletedOn")
    match state:
        case "STARTING" | "RUNNING" | "STOPPING" | "WAITING":
            return Active(run["Id"], started, state == "STOPPING")
        case "SUCCEEDED":
            return Succeeded({}, {}, run["Id"], started, finished)
        case "FAILED" | "ERROR" | "EXPIRED":
            reason = failure_reason(run.get("ErrorMessage") or "no reason given")
            return Failed(FailureClass.ALGORITHM, reason, (), run["Id"], started, finished)
        case "TIMEOUT":
            return Failed(
                FailureClass.MAX_RUNTIME, failure_reason(run.get("ErrorMessage") or "timed out"), (), run["Id"], started, finished
            )
        case "STOPPED":
            return Failed(FailureClass.STOPPED, "the run was stopped", (), run["Id"], started, finished)
        case _:
            return Unknown(state)


def _class_of(reason: str) -> FailureClass:
    return next((found for prefix, found in _REASONS if reason.startswith(prefix)), FailureClass.ALGORITHM)


async def _with_log(aws: Aws, scope: Scope, type_: JobType, name: str, fact: JobFact) -> JobFact:
    """The failure with its last log lines; a log that cannot be read never hides the reason."""
    if not isinstance(fact, Failed):
        return fact
    try:
        lines = await tail(aws, scope, str(type_), name, fact.run_id)
    except AwsFailure as failure:
        lines = (f"(log not readable: {failure.code})",)
    return Failed(fact.failure, fact.reason, tuple(lines), fact.run_id, fact.started, fact.finished)
