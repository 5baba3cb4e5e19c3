"""Which model is meant: a version of the registry, what a TrainingRun registered, an image of your own, or a pipeline of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from sagemaker_gitops.api.base import Items, Model, Rule, exactly_one
from sagemaker_gitops.api.fields import Environment, GroupName, ImageUri, ObjectName, S3Uri

PIPELINE_LIMIT = 15  # CreateModel's Containers


class Package(Model):
    """A version in the SageMaker model registry."""

    rules = (exactly_one("version", "approved"),)

    group: GroupName
    """Model package group. Example: digits."""
    version: Annotated[StrictInt, Field(ge=1)] | None = None
    """This version and no other: the pin in git is the decision. It must be approved. Example: 7."""
    approved: Literal["Latest"] | None = None
    """Latest: the newest approved version; approving or rejecting one in the registry changes what serves. Example: Latest."""


class TrainingRunRef(Model):
    """A TrainingRun of this namespace."""

    name: ObjectName
    """Name of the TrainingRun. Example: digits."""


_ARTIFACT_RULE = Rule(
    "has(self.image) || !(has(self.artifact) || has(self.environment))",
    "artifact and environment belong to image: a package and a TrainingRun bring their own",
    lambda model: model.image is not None or (model.artifact is None and not model.environment),
    ".image",
)


class Container(Model):
    """One link of an inference pipeline."""

    rules = (exactly_one("package", "image"), _ARTIFACT_RULE)

    package: Package | None = None
    """A version of the model registry, with all its containers. Example: {group: digits, version: 7}."""
    image: ImageUri | None = None
    """Your own serving image, instead of a registered model. Example: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/serve:1."""
    artifact: S3Uri | None = None
    """The model.tar.gz that the image serves. Example: s3://team-a-ml/models/digits/model.tar.gz."""
    environment: Environment = Field(default_factory=dict)
    """Environment variables of the serving container; never secrets. Example: {SAGEMAKER_PROGRAM: inference.py}."""


class ModelReference(Container):
    """Which model a variant serves."""

    rules = (exactly_one("package", "trainingRunRef", "image", "containers"), _ARTIFACT_RULE)

    training_run_ref: TrainingRunRef | None = None
    """The model that the newest successful run of a TrainingRun registered, as soon as it is approved. Example: {name: digits}."""
    containers: Annotated[tuple[Container, ...], Items(PIPELINE_LIMIT, min_items=2)] | None = None
    """An inference pipeline: each container's answer is the next one's request, the last one's is the caller's. Example: [{image:
    .../scale:1}, {package: {group: digits, version: 7}}].
    """

    @property
    def links(self) -> tuple[tuple[str, Container], ...]:
        """The model itself and every container of its pipeline, with their paths below the model."""
        pipeline = ((f".containers[{index}]", container) for index, container in enumerate(self.containers or ()))
        return ("", self), *pipeline
