"""A batch transform as users write it: a model's predictions for everything that lies in a folder of S3.

Words are AWS's own (SageMaker CreateTransformJob); no field has a schema default.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from sagemaker_gitops.api.base import Model, Problem, Rule, Text
from sagemaker_gitops.api.fields import ContentType, Count, Environment, Flag, InstanceType, S3Prefix, S3Uri, VariantName
from sagemaker_gitops.api.model_reference import ModelReference
from sagemaker_gitops.api.schedule import Schedule
from sagemaker_gitops.api.secret_names import map_problems

DEFAULT_PAYLOAD_IN_MB = 6  # CreateTransformJob
MAX_CONCURRENT_PAYLOAD_IN_MB = 100  # MaxConcurrentTransforms times MaxPayloadInMB

JsonPath = Annotated[str, Text(r"\$[ -~]{0,62}", 'must be a JSONPath of at most 63 characters that starts with $, such as "$[1:]"', 63)]


class BatchResources(Model):
    """Machines of the jobs. What is left out comes from the Tenant's defaults."""

    instance_type: InstanceType | None = None
    """SageMaker instance type. Example: ml.m5.large. Left out: the Tenant's default for hosting."""
    instance_count: Count | None = None
    """Number of instances. Example: 2. Left out: 1."""


def _no_secrets(batch: Transform) -> Iterator[Problem]:
    return map_problems(".environment", batch.environment)


class Transform(Model):
    """What a transform job reads, how it asks the model, and what it writes."""

    rules = (
        Rule(
            "(has(self.maxConcurrentTransforms) ? self.maxConcurrentTransforms : 1)"
            f" * (has(self.maxPayloadInMB) ? self.maxPayloadInMB : {DEFAULT_PAYLOAD_IN_MB}) <= {MAX_CONCURRENT_PAYLOAD_IN_MB}",
            f"maxConcurrentTransforms times maxPayloadInMB (left out: {DEFAULT_PAYLOAD_IN_MB})"
            f" must be at most {MAX_CONCURRENT_PAYLOAD_IN_MB}",
            lambda batch: (
                (batch.max_concurrent_transforms or 1)
                * (DEFAULT_PAYLOAD_IN_MB if batch.max_payload_in_mb is None else batch.max_payload_in_mb)
                <= MAX_CONCURRENT_PAYLOAD_IN_MB
            ),
            ".maxPayloadInMB",
        ),
        Rule(
            "!has(self.strategy) || self.strategy != 'MultiRecord' || (has(self.splitType) && self.splitType != 'None')",
            "MultiRecord puts several records into one request: say with splitType what a record is",
            lambda batch: batch.strategy != "MultiRecord" or batch.split_type not in (None, "None"),
            ".strategy",
        ),
        Rule(
            "has(self.contentType)"
            " || !(has(self.inputFilter) || has(self.outputFilter) || (has(self.joinSource) && self.joinSource == 'Input'))",
            "is needed by inputFilter, outputFilter and joinSource: they read records, such as text/csv or application/jsonlines",
            lambda batch: batch.content_type is not None or not (batch.input_filter or batch.output_filter or batch.join_source == "Input"),
            ".contentType",
        ),
    )
    checks = (_no_secrets,)

    input: S3Uri
    """Where the data is. With a / at the end: everything in the folder; without: exactly one object. Its object versions are part of
    the job's name, so the same data is never predicted twice by the same model. Example: s3://team-a-ml/customers/.
    """
    output: S3Prefix
    """Folder for the predictions; every job writes into a folder of its own in it, <output><job name>/. Example:
    s3://team-a-ml/predictions/.
    """
    content_type: ContentType | None = None
    """Format of the data. Example: text/csv."""
    compression_type: Literal["None", "Gzip"] | None = None
    """Compression of the objects. Example: Gzip. Left out: None."""
    split_type: Literal["None", "Line", "RecordIO", "TFRecord"] | None = None
    """What a record is; None: one object is one request. Example: Line. Left out: None."""
    strategy: Literal["MultiRecord", "SingleRecord"] | None = None
    """Whether one request carries as many records as fit, or one. Example: MultiRecord. Left out: AWS decides."""
    accept: ContentType | None = None
    """Format that the model is asked to answer in. Example: text/csv. Left out: contentType when joinSource is Input, else the model's own.
    """
    assemble_with: Literal["None", "Line"] | None = None
    """What stands between two answers in an output. Example: Line. Left out: Line when splitType is Line, else nothing."""
    join_source: Literal["None", "Input"] | None = None
    """Input: each output record is the input record with the prediction behind it. Example: Input. Left out: None."""
    input_filter: JsonPath | None = None
    """Part of a record that the model is shown. Example: "$[1:]"."""
    output_filter: JsonPath | None = None
    """Part of the joined record, or of the answer, that is written. Example: "$[0,-1]"."""
    max_concurrent_transforms: Annotated[StrictInt, Field(ge=1, le=100)] | None = None
    """Requests at the same time to one instance. Example: 4. Left out: AWS asks the container."""
    max_payload_in_mb: Annotated[StrictInt, Field(ge=0, le=100)] | None = Field(default=None, alias="maxPayloadInMB")
    """Size of a request in MB. Example: 6. Left out: 6."""
    environment: Environment = Field(default_factory=dict)
    """Environment variables of the container for these jobs; never secrets. Example: {LOG_LEVEL: "20"}."""
    resources: BatchResources | None = None
    """Machines of the jobs. Example: {instanceType: ml.m5.xlarge, instanceCount: 2}."""


class Batch(Transform):
    """Predictions for a whole data set, by transform jobs: one at a time, never twice for the same data and model. With neither schedule
    nor onNewModel one job runs, and another after an edit.
    """

    schedule: Schedule | None = None
    """When it runs by the clock. Moments that were missed are made up for once. Example: {cron: "0 2 * * *", timeZone: Europe/Zurich}."""
    on_new_model: Flag | None = None
    """true: it runs when another model has come into service. Example: true. Left out: false."""
    variant: VariantName | None = None
    """Which variant's model is asked, where there are several. Example: blue."""
    model: ModelReference | None = None
    """The model that is asked, where there are no variants and so no endpoint. Example: {package: {group: digits, approved: Latest}}."""


def _batch_asks(spec: Any, named: bool) -> bool:
    return spec.batch is None or (spec.batch.model is not None) == named


# Rules of the spec that batch is in.
BATCH_RULES = (
    Rule(
        "has(self.variants) || !has(self.batch) || has(self.batch.model)",
        "model is needed: without variants, batch says which model is asked",
        lambda spec: bool(spec.variants) or _batch_asks(spec, named=True),
        ".batch",
    ),
    Rule(
        "!has(self.variants) || !has(self.batch) || !has(self.batch.model)",
        "with variants, the model that serves is asked: leave it out, or choose a variant",
        lambda spec: not spec.variants or _batch_asks(spec, named=False),
        ".batch.model",
    ),
    Rule(
        "!has(self.variants) || self.variants.size() == 1 || !has(self.batch) || has(self.batch.variant)",
        "variant is needed: there are several variants, and batch asks one model",
        lambda spec: len(spec.variants) < 2 or spec.batch is None or spec.batch.variant is not None,
        ".batch",
    ),
    Rule(
        "!has(self.batch) || !has(self.batch.variant) || (has(self.variants) && self.variants.exists(v, v.name == self.batch.variant))",
        "must be the name of one of the variants",
        lambda spec: spec.batch is None or spec.batch.variant in (None, *(variant.name for variant in spec.variants)),
        ".batch.variant",
    ),
)
