"""How a ModelEndpoint answers, besides on machines of its own: serverless, asynchronously; and the call that a new version must pass first.

Member names and bounds: Amazon SageMaker API Reference (ProductionVariantServerlessConfig, AsyncInferenceConfig, InvokeEndpoint).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from sagemaker_gitops.api.base import Model, Rule
from sagemaker_gitops.api.fields import ConfigMapKey, ContentType, ObjectName, S3Uri, TopicArn, duration_type

DEFAULT_STATUS = 200
DEFAULT_CONTENT_TYPE = "text/csv"
LONGEST_ANSWER = 60  # seconds; InvokeEndpoint gives up on a model after that

Latency = Annotated[int, duration_type(1, LONGEST_ANSWER)]


class Serverless(Model):
    """Computing power that AWS brings along and bills by the request, instead of machines."""

    memory_size_in_mb: Literal[1024, 2048, 3072, 4096, 5120, 6144] = Field(alias="memorySizeInMB")
    """Memory of each container, which decides its share of CPU too. Example: 2048."""
    max_concurrency: Annotated[StrictInt, Field(ge=1, le=200)]
    """Requests that are answered at the same time; more are refused. Example: 5."""


class Async(Model):
    """Requests wait in a queue and answers are written to S3: for long answers and large payloads (InvokeEndpointAsync)."""

    output: S3Uri | None = None
    """Folder for the answers. Example: s3://team-a-ml/answers/. Left out: <the Tenant's artifactPrefix><namespace>/<name>/async/."""
    failure: S3Uri | None = None
    """Folder for what the model said when it failed. Example: s3://team-a-ml/failures/."""
    max_concurrent_invocations_per_instance: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    """Requests that one instance works on at the same time. Example: 4. Left out: AWS's choice."""
    success_topic_arn: TopicArn | None = None
    """SNS topic of the Tenant's account and region that hears of every answer. Example:
    arn:aws:sns:eu-central-1:123456789012:team-a-answers.
    """
    error_topic_arn: TopicArn | None = None
    """SNS topic of the Tenant's account and region that hears of every failure. Example:
    arn:aws:sns:eu-central-1:123456789012:team-a-failures.
    """


class ConfigMapKeyRef(Model):
    """One entry of a ConfigMap of this namespace."""

    name: ObjectName
    """Name of the ConfigMap. Example: digits-sample."""
    key: ConfigMapKey
    """The entry: a file name. Example: sample.csv."""


class Payload(Model):
    """What is sent."""

    config_map_ref: ConfigMapKeyRef
    """The request's body. Example: {name: digits-sample, key: sample.csv}."""


class Expectation(Model):
    """What a variant must do with the payload."""

    status: Annotated[StrictInt, Field(ge=200, le=599)] | None = None
    """HTTP status that the model answers with. Example: 200. Left out: 200."""
    max_latency: Latency | None = None
    """Longest time until the whole answer is there; the quickest of three calls counts, so that a cold start does not. Example: 2s. Left
    out: the 60 s that AWS gives a model.
    """


class SmokeTest(Model):
    """A call that each variant of a new version must answer before it serves. It is called behind an endpoint of its own, with one
    instance for each variant, which exists only for the test: no caller ever reaches a version that failed.
    """

    payload: Payload
    """What is sent. Example: {configMapRef: {name: digits-sample, key: sample.csv}}."""
    content_type: ContentType | None = None
    """Format of the payload. Example: text/csv. Left out: text/csv."""
    expect: Expectation | None = None
    """What counts as passed. Example: {status: 200, maxLatency: 2s}. Left out: status 200."""


_SERVERLESS = "has(self.variants) && self.variants.exists(v, has(v.serverless))"


def _rule(excluded: str, message: str, holds: Any, field: str) -> Rule:
    """`excluded` and `holds` say, in CEL and in code, what a serverless endpoint must not have."""
    return Rule(
        f"!({_SERVERLESS}) || !({excluded})",
        message,
        lambda spec: not any(variant.serverless for variant in spec.variants) or holds(spec),
        field,
    )


SERVERLESS_RULES = (
    _rule(
        "self.variants.size() > 1",
        "AWS Serverless Inference has one variant: leave the others out, or give each resources instead of serverless",
        lambda spec: len(spec.variants) == 1,
        ".variants",
    ),
    _rule(
        "self.variants.exists(v, has(v.model.containers))",
        "AWS Serverless Inference has no inference pipelines: leave containers out, or give the variant resources instead of serverless",
        lambda spec: not any(variant.model.containers for variant in spec.variants),
        ".variants",
    ),
    _rule(
        "has(self.dataCapture)",
        "AWS Serverless Inference captures no data: leave dataCapture out, or give the variant resources instead of serverless",
        lambda spec: spec.data_capture is None,
        ".dataCapture",
    ),
    _rule(
        "has(self.async)",
        "AWS Serverless Inference is not asynchronous: leave async out, or give the variant resources instead of serverless",
        lambda spec: spec.async_ is None,
        ".async",
    ),
    _rule(
        "has(self.rollout)",
        "AWS Serverless Inference has no deployment guardrails: leave rollout out, or give the variant resources instead of serverless",
        lambda spec: spec.rollout is None,
        ".rollout",
    ),
    _rule(
        "has(self.kmsKeyArn)",
        "AWS Serverless Inference encrypts with no key of yours: leave kmsKeyArn out, or give the variant resources instead of serverless",
        lambda spec: spec.kms_key_arn is None,
        ".kmsKeyArn",
    ),
    _rule(
        "has(self.network) && (has(self.network.subnetIds) || (has(self.network.isolation) && self.network.isolation))",
        "AWS Serverless Inference has no VPC and no isolation: leave them out, or give the variant resources instead of serverless",
        lambda spec: spec.network is None or not (spec.network.subnet_ids or spec.network.isolation),
        ".network",
    ),
)
