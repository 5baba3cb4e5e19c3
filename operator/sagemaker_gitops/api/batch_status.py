"""What a ModelEndpoint says about its batch jobs: the one that runs or ran last, why, and when the next one is due."""

from __future__ import annotations

from typing import Annotated

from sagemaker_gitops.api.base import Items, Model
from sagemaker_gitops.api.status import Arn, AwsName, Cell, Digest, Failure, Message, Time, Uri, Url, Whole, Word

BATCH_HISTORY_LIMIT = 10


class AskedModel(Model):
    """The model that jobs ask."""

    model: Cell
    """Package version or image. Example: digits/7."""
    aws_name: AwsName
    """Name of the SageMaker model. Example: team-a-digits-model-k5tq3vwx2a."""
    variant: Word | None = None
    """Variant that batch.variant names. Example: blue."""
    digest: Digest
    """Identity of its content: image, archive, environment. Example: k5tq3vwx2a."""


class PastBatchJob(Model):
    """A batch job that is over."""

    job_name: AwsName
    """Name of the transform job. Example: team-a-digits-batch-k5tq3vwx2a."""
    model: Cell | None = None
    """Model that was asked. Example: digits/7."""
    model_name: AwsName | None = None
    """Name of the SageMaker model that was asked. Example: team-a-digits-model-k5tq3vwx2a."""
    state: Word
    """How it ended: Succeeded, Failed or Stopped. Example: Succeeded."""
    trigger: Cell | None = None
    """Why it ran. Example: schedule 2026-11-21T02:00:00Z."""
    started_at: Time | None = None
    """When it started. Example: "2026-11-21T02:00:01Z"."""
    finished_at: Time | None = None
    """When it ended. Example: "2026-11-21T02:12:00Z"."""
    output: Uri | None = None
    """Folder of its predictions. Example: s3://team-a-ml/predictions/team-a-digits-batch-k5tq3vwx2a/."""
    message: Message | None = None
    """Why it failed. Example: "ClientError: See job logs for more information"."""


class BatchStatus(Model):
    """The batch job that runs or ran last, and what has been heeded of what can start one."""

    state: Word | None = None
    """InProgress, Succeeded, Failed, Stopped, or Refused while AWS does not take it; absent before the first job. Example: Succeeded."""
    job_name: AwsName | None = None
    """Name of the transform job; it is made of data, model and settings, so the same is never run twice. Example:
    team-a-digits-batch-k5tq3vwx2a.
    """
    arn: Arn | None = None
    """ARN of the job. Example: arn:aws:sagemaker:eu-central-1:123456789012:transform-job/team-a-digits-batch-k5tq3vwx2a."""
    console_url: Url | None = None
    """Page of the job in the AWS console. Example: https://eu-central-1.console.aws.amazon.com/sagemaker/home#/transform-jobs/..."""
    attempt: Whole | None = None
    """How many jobs for the same data and model it took, failed ones included. Example: 1."""
    model: Cell | None = None
    """Model that was asked. Example: digits/7."""
    model_name: AwsName | None = None
    """Name of the SageMaker model that was asked. Example: team-a-digits-model-k5tq3vwx2a."""
    input_digest: Digest | None = None
    """Identity of the data: a digest over its object versions. Example: 9f86d081884c7d65."""
    trigger: Cell | None = None
    """Why it ran: spec, new model, schedule and the moment, or rerun and its nonce. Example: schedule 2026-11-21T02:00:00Z."""
    attempted_at: Time | None = None
    """When the intent to create it was recorded, before AWS was called. Example: "2026-11-21T02:00:00Z"."""
    started_at: Time | None = None
    """When it started. Example: "2026-11-21T02:00:01Z"."""
    finished_at: Time | None = None
    """When it ended. Example: "2026-11-21T02:12:00Z"."""
    output: Uri | None = None
    """Folder of its predictions. Example: s3://team-a-ml/predictions/team-a-digits-batch-k5tq3vwx2a/."""
    message: Message | None = None
    """What there is to know: a moment that was missed, why nothing was run, what is waited for. Example: nothing new since
    team-a-digits-batch-k5tq3vwx2a.
    """
    next_run: Time | None = None
    """When the schedule comes next. Example: "2026-11-22T02:00:00Z"."""
    schedule: Cell | None = None
    """The schedule that lastScheduled is about. Example: 0 2 * * * UTC."""
    last_scheduled: Time | None = None
    """The moment of the schedule that was heeded last; before the first one, when the schedule was first seen. Example:
    "2026-11-21T02:00:00Z".
    """
    last_model: Digest | None = None
    """Identity of the model whose coming into service was heeded last. Example: k5tq3vwx2a."""
    last_settings: Digest | None = None
    """Identity of the settings that were heeded last. Example: k5tq3vwx2a."""
    last_handled_rerun: Cell | None = None
    """Value of the rerun annotation that was heeded last. Example: "2026-11-21"."""
    serving: AskedModel | None = None
    """The model that served when last seen: it is asked while another version waits for approval or was rolled back. Example: {model:
    digits/7, awsName: team-a-digits-model-k5tq3vwx2a, digest: k5tq3vwx2a}.
    """
    failure: Failure | None = None
    """Present when the last job failed. Example: {reason: ClientError}."""
    history: Annotated[tuple[PastBatchJob, ...], Items(BATCH_HISTORY_LIMIT)] | None = None
    """Jobs that are over, newest first. Example: [{jobName: team-a-digits-batch-k5tq3vwx2a, state: Succeeded}]."""
