"""The last lines of a job's log, from the log groups that SageMaker and Glue write to.

Amazon SageMaker Developer Guide, "Log groups and streams"; AWS Glue Developer Guide, "Logging for AWS Glue jobs".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sagemaker_gitops.aws.errors import failure_reason
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure, Category

TAIL_LINES, INDENTATION = 20, 40
GROUPS = {
    "TrainingJob": ("/aws/sagemaker/TrainingJobs",),
    "ProcessingJob": ("/aws/sagemaker/ProcessingJobs",),
    "TransformJob": ("/aws/sagemaker/TransformJobs",),
    "GlueJob": ("/aws-glue/python-jobs/error", "/aws-glue/python-jobs/output", "/aws-glue/jobs/error"),
}


def log_line(text: str) -> str:
    """A log line fit for status: redacted, its indentation kept, because tracebacks need it."""
    expanded = text.expandtabs(4)
    return expanded[: min(INDENTATION, len(expanded) - len(expanded.lstrip(" ")))] + failure_reason(expanded)


async def tail(aws: Aws, scope: Scope, job_type: str, name: str, run_id: str = "") -> tuple[str, ...]:
    """At most TAIL_LINES last lines, redacted; the first group that has any. Glue names streams by run id."""
    for group in GROUPS[job_type]:
        for stream in await _streams(aws, scope, group, run_id or f"{name}/"):
            parameters = {"logGroupName": group, "logStreamName": stream, "limit": TAIL_LINES, "startFromHead": False}
            answer = await aws.call(scope, "logs", "GetLogEvents", parameters)
            lines = [log_line(event["message"]) for event in answer.get("events", ()) if event["message"].strip()]
            if lines:
                return tuple(lines[-TAIL_LINES:])
    return ()


async def follow(aws: Aws, scope: Scope, job_type: str, name: str, run_id: str = "") -> AsyncIterator[str]:
    """Lines of the log from its beginning up to now, one page after another; call again with patience for more."""
    for group in GROUPS[job_type]:
        for stream in await _streams(aws, scope, group, run_id or f"{name}/"):
            parameters: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
            while True:
                answer = await aws.call(scope, "logs", "GetLogEvents", parameters)
                for event in answer.get("events", ()):
                    yield log_line(event["message"])
                if answer.get("nextForwardToken") in (None, parameters.get("nextToken")):
                    break
                parameters["nextToken"] = answer["nextForwardToken"]


async def _streams(aws: Aws, scope: Scope, group: str, prefix: str) -> list[str]:
    parameters = {"logGroupName": group, "logStreamNamePrefix": prefix}
    try:
        answer = await aws.call(scope, "logs", "DescribeLogStreams", parameters)
    except AwsFailure as error:
        if error.category is Category.NOT_FOUND:
            return []
        raise
    return [stream["logStreamName"] for stream in answer.get("logStreams", ())]
