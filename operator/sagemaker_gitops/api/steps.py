"""The steps of a TrainingRun as users write them: prepare, train, evaluate.

Words are AWS's own (Glue CreateJob and StartJobRun, SageMaker CreateProcessingJob and CreateTrainingJob). No field has a schema
default: what is left out is decided in code from the constants here and the Tenant, and is shown in status.effective.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StrictInt

from sagemaker_gitops.api.base import Items, Model, Problem, Rule, exactly_one, together
from sagemaker_gitops.api.fields import (
    Argument,
    ContentType,
    Count,
    Environment,
    FilePath,
    Files,
    Flag,
    FrameworkName,
    GlueArguments,
    GlueDuration,
    GlueVersion,
    Hyperparameters,
    ImageUri,
    InstanceType,
    MetricName,
    MetricRegex,
    Name,
    Names,
    ProcessingDuration,
    PyVersion,
    S3Uri,
    SecurityGroupId,
    SubnetId,
    TrainingDuration,
    Version,
)
from sagemaker_gitops.api.secret_names import list_problems, map_problems

DEFAULT_VOLUME_SIZE_IN_GB = 30
DEFAULT_INSTANCE_COUNT = 1
DEFAULT_GLUE_TYPE: Literal["pythonshell"] = "pythonshell"
DEFAULT_GLUE_VERSION = "5.0"
DEFAULT_GLUE_TIMEOUT = 3600  # seconds; AWS's own default is 48 h, which is money
DEFAULT_MAX_RUNTIME = 3600  # seconds, for processing

GLUE_RESERVED_ARGUMENTS = (
    "--extra-py-files",
    "--JOB_NAME",
    "--conf",
    "--debug",
    "--mode",
)  # Glue "Special parameters", and what the operator sets
GLUE_LOCATIONS = frozenset({"--extra-jars", "--extra-files", "--TempDir", "--spark-event-logs-path"})  # Glue opens them itself
RESERVED_ARGUMENT_PREFIX = "--sagemaker-gitops-"
RESERVED_HYPERPARAMETER_PREFIX = "sagemaker_"  # what the training toolkit reads: sagemaker_program and others

Goal = Literal["Maximize", "Minimize"]
RetryError = Literal["CapacityError", "InternalServerError", "SpotInterruption"]


class Framework(Model):
    """A prebuilt SageMaker framework container, which runs your script (script mode)."""

    name: FrameworkName
    """Name of the framework. Example: sklearn."""
    version: Version
    """Version of the framework, in quotes when it looks like a number. Example: 1.4-2."""
    py_version: PyVersion | None = None
    """Python of the container, for frameworks that offer several. Example: py310. Left out: the newest one for that version."""


class Algorithm(Model):
    """An algorithm that SageMaker brings along; it needs no code of yours."""

    name: FrameworkName
    """Name of the built-in algorithm. Example: forecasting-deepar."""
    version: Version | None = None
    """Version of the algorithm's image. Example: "1". Left out: the newest one known."""


class Input(Model):
    """Data that exists before the run starts. Its object versions are recorded at the start and belong to the run's identity."""

    name: Name
    """Name that channels refer to. Example: raw."""
    s3_uri: S3Uri
    """Where the data is. With a / at the end: everything in the folder; without: exactly one object. Example: s3://team-a-ml/raw/digits/.
    """
    content_type: ContentType | None = None
    """Format of the data. Example: text/csv."""
    compression: Literal["None", "Gzip"] | None = None
    """Compression of the objects, for built-in algorithms that read through a pipe. Example: Gzip."""
    distribution: Literal["FullyReplicated", "ShardedByS3Key"] | None = None
    """Whether every instance gets all objects or its share. Example: ShardedByS3Key. Left out: FullyReplicated."""
    input_mode: Literal["File", "FastFile", "Pipe"] | None = None
    """How a training job reads it: downloaded first, streamed as files, or through a pipe. Example: FastFile. Left out: File."""


class Network(Model):
    """Where jobs run: your VPC, and how closed they are."""

    rules = (together("subnetIds", "securityGroupIds"),)

    subnet_ids: Annotated[tuple[SubnetId, ...], Items(16, min_items=1, kind="set")] | None = None
    """Subnets of your VPC for the job's instances. Example: [subnet-0a1b2c3d4e5f60718]."""
    security_group_ids: Annotated[tuple[SecurityGroupId, ...], Items(5, min_items=1, kind="set")] | None = None
    """Security groups of the job's instances. Example: [sg-0a1b2c3d4e5f60718]."""
    isolation: Flag | None = None
    """true: the containers have no network at all; data still arrives through SageMaker (EnableNetworkIsolation). Example: true."""
    encrypt_inter_container_traffic: Flag | None = None
    """true: instances of one job encrypt what they send to each other; slower and dearer. Example: true."""


class Resources(Model):
    """Machines of a job. What is left out comes from the Tenant's defaults."""

    instance_type: InstanceType | None = None
    """SageMaker instance type. Example: ml.m5.large. Left out: the Tenant's default for this kind of job."""
    instance_count: Count | None = None
    """Number of instances. Example: 1. Left out: 1."""
    volume_size_in_gb: Annotated[StrictInt, Field(ge=1, le=16384)] | None = Field(default=None, alias="volumeSizeInGB")
    """Size of each instance's disk in GB. Example: 30. Left out: 30."""


class Spot(Model):
    """Managed spot training: cheaper instances that AWS may take away."""

    max_wait: TrainingDuration
    """Longest time from start to end, waiting for capacity included; at least maxRuntime. Example: 2h."""
    checkpoints: Flag | None = None
    """true: what the script writes to /opt/ml/checkpoints survives an interruption. Example: true. Left out: false, an interrupted job
    starts over.
    """


class TrainResources(Resources):
    """Machines of the training job. What is left out comes from the Tenant's defaults."""

    spot: Spot | None = None
    """Use spot instances. Example: {maxWait: 2h, checkpoints: true}. Left out: on-demand instances."""


class Metric(Model):
    """A number that the training script prints, found in its log."""

    name: MetricName
    """Name of the metric. Example: validation:accuracy."""
    regex: MetricRegex
    """Regular expression over the job's log; its first group is the value. Example: validation_accuracy=([0-9.]+)."""
    goal: Goal | None = None
    """Whether more or less is better; a champion gate on this metric uses it. Example: Maximize."""


class Retry(Model):
    """When a failed training job is tried again. Each attempt is a new job with a new name."""

    max_attempts: Annotated[StrictInt, Field(ge=1, le=10)]
    """Attempts in all, the first included. Example: 3."""
    on_errors: Annotated[tuple[RetryError, ...], Items(3, min_items=1, kind="set")]
    """Kinds of failure that are worth another attempt. Your script's own errors are not among them. Example: [CapacityError,
    SpotInterruption].
    """


def _glue_checks(glue: Glue) -> Iterator[Problem]:
    yield from map_problems(".arguments", glue.arguments)
    for key in glue.arguments:
        if key in GLUE_RESERVED_ARGUMENTS or key.startswith(RESERVED_ARGUMENT_PREFIX):
            yield f".arguments.{key}", "is reserved by AWS Glue or by this operator: choose another name"


class Glue(Model):
    """An AWS Glue job made from a script of the source."""

    rules = (
        Rule(
            "!(has(self.workerType) || has(self.workers) || has(self.version)) || (has(self.type) && self.type == 'glueetl')",
            "version, workerType and workers need type: glueetl (a Python shell job has one small worker)",
            lambda glue: (glue.worker_type, glue.workers, glue.version) == (None, None, None) or glue.type == "glueetl",
            ".type",
        ),
        Rule(
            "!has(self.type) || self.type != 'glueetl' || (has(self.workerType) && has(self.workers))",
            "type: glueetl needs workerType and workers, such as workerType: G.1X and workers: 2",
            lambda glue: glue.type != "glueetl" or None not in (glue.worker_type, glue.workers),
            ".type",
        ),
    )
    checks = (_glue_checks,)

    script: FilePath
    """Script inside the source. Example: normalise.py."""
    files: Files | None = None
    """Further files of the source that the script needs; an edit of any other file does not run it again. Example: [columns.py]. Left out:
    all shared files.
    """
    type: Literal["pythonshell", "glueetl"] | None = None
    """Plain Python on one small worker, or Apache Spark. Example: pythonshell. Left out: pythonshell."""
    version: GlueVersion | None = None
    """Glue version of a Spark job, in quotes. Example: "5.0". Left out: 5.0."""
    worker_type: Literal["G.025X", "G.1X", "G.2X", "G.4X", "G.8X", "G.12X", "G.16X"] | None = None
    """Size of each Spark worker. Example: G.1X."""
    workers: Annotated[StrictInt, Field(ge=2, le=299)] | None = None
    """Number of Spark workers. Example: 2."""
    timeout: GlueDuration | None = None
    """Longest run, after which Glue stops it; counted in whole minutes. Example: 30m. Left out: 1h."""
    arguments: GlueArguments = Field(default_factory=dict)
    """Arguments of the script; ${parameters.x} is replaced. Example: {--test-fraction: "${parameters.testFraction}"}."""
    outputs: Names = ()
    """Data sets that the script writes, each in its own folder; later steps use them as channels. Example: [train, validation, test]."""


def _container_checks(step: Any) -> Iterator[Problem]:
    yield from map_problems(".environment", step.environment)
    yield from list_problems(".arguments", getattr(step, "arguments", ()))
    yield from map_problems(".hyperparameters", getattr(step, "hyperparameters", {}))


class Processing(Model):
    """A SageMaker Processing job that runs a script of the source, or an image."""

    rules = (
        exactly_one("framework", "image"),
        Rule(
            "!has(self.framework) || has(self.entryPoint)",
            "framework needs entryPoint: the script of the source to run",
            lambda step: step.framework is None or step.entry_point is not None,
            ".entryPoint",
        ),
    )
    checks = (_container_checks,)

    framework: Framework | None = None
    """Prebuilt container that runs entryPoint. Example: {name: sklearn, version: 1.4-2}."""
    image: ImageUri | None = None
    """Your own container image, instead of framework. Example: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/digits:1.0."""
    entry_point: FilePath | None = None
    """Script inside the source. Example: evaluate.py. Left out (image only): the image's own entry point."""
    files: Files | None = None
    """Further files of the source that the script needs; an edit of any other file does not run it again. Example: [columns.py]. Left out:
    all shared files.
    """
    channels: Names = ()
    """Inputs, or outputs of prepare, that the job reads under /opt/ml/processing/input. Example: [test]."""
    arguments: Annotated[tuple[Argument, ...], Items(100)] = ()
    """Arguments of the script; ${parameters.x} is replaced. Example: ["--test-fraction", "${parameters.testFraction}"]."""
    environment: Environment = Field(default_factory=dict)
    """Environment variables of the container; never secrets. Example: {LOG_LEVEL: debug}."""
    resources: Resources | None = None
    """Machines of the job. Example: {instanceType: ml.m5.large}. Left out: the Tenant's defaults."""
    max_runtime: ProcessingDuration | None = None
    """Longest run, after which SageMaker stops it. Example: 30m. Left out: 1h, or the Tenant's limit if that is shorter."""


class PrepareProcessing(Processing):
    """A SageMaker Processing job that prepares data."""

    outputs: Names = ()
    """Data sets that the job writes to /opt/ml/processing/output/<name>; later steps use them as channels. Example: [train, test]."""


class Prepare(Model):
    """Makes the data sets that training and evaluation read."""

    rules = (exactly_one("glue", "processing"),)

    glue: Glue | None = None
    """Prepare with an AWS Glue job. Example: {script: normalise.py, outputs: [train, test]}."""
    processing: PrepareProcessing | None = None
    """Prepare with a SageMaker Processing job. Example: {framework: {name: sklearn, version: 1.4-2}, entryPoint: prepare.py, outputs:
    [train]}.
    """

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the data sets that this step makes."""
        step = self.glue or self.processing
        return step.outputs if step else ()


class Evaluate(Model):
    """Measures the trained model; gates read what it writes (evaluation.json, baseline.json)."""

    processing: Processing
    """Evaluate with a SageMaker Processing job, which finds the model in /opt/ml/processing/input/model/model.tar.gz. Example:
    {framework: {name: sklearn, version: 1.4-2}, entryPoint: evaluate.py, channels: [test]}.
    """


def _train_checks(train: Train) -> Iterator[Problem]:
    for key in train.hyperparameters:
        if key.startswith(RESERVED_HYPERPARAMETER_PREFIX):
            yield f".hyperparameters.{key}", "keys that start with sagemaker_ are set by the operator: choose another name"


class Train(Model):
    """The training job."""

    rules = (
        exactly_one("framework", "image", "algorithm"),
        Rule(
            "!has(self.framework) || has(self.entryPoint)",
            "framework needs entryPoint: the script of the source to run",
            lambda train: train.framework is None or train.entry_point is not None,
            ".entryPoint",
        ),
        Rule(
            "!has(self.algorithm) || !(has(self.entryPoint) || has(self.files))",
            "algorithm brings its own code: leave entryPoint and files out, or use framework",
            lambda train: train.algorithm is None or (train.entry_point, train.files) == (None, None),
            ".entryPoint",
        ),
        Rule(
            "!has(self.maxRuntime) || !has(self.resources) || !has(self.resources.spot)"
            " || duration(self.resources.spot.maxWait) >= duration(self.maxRuntime)",
            "maxWait must be at least maxRuntime: it counts the waiting and the training",
            lambda train: (
                train.max_runtime is None
                or train.resources is None
                or train.resources.spot is None
                or train.resources.spot.max_wait >= train.max_runtime
            ),
            ".resources.spot.maxWait",
        ),
    )
    checks = (_container_checks, _train_checks)

    framework: Framework | None = None
    """Prebuilt container that runs entryPoint. Example: {name: sklearn, version: 1.4-2}."""
    image: ImageUri | None = None
    """Your own training image, instead of framework. Example: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/digits:1.0."""
    algorithm: Algorithm | None = None
    """An algorithm that SageMaker brings along, instead of framework. Example: {name: forecasting-deepar}."""
    entry_point: FilePath | None = None
    """Training script inside the source. Example: train.py."""
    files: Files | None = None
    """Further files of the source that the script needs; an edit of any other file does not train again. Example: [model.py]. Left out: all
    shared files.
    """
    channels: Names = ()
    """Inputs, or outputs of prepare, that the job reads under /opt/ml/input/data. Example: [train, validation]."""
    hyperparameters: Hyperparameters = Field(default_factory=dict)
    """Settings of the algorithm: numbers, booleans or texts; ${parameters.x} is replaced in texts. Example: {n_estimators: 200, max_depth:
    12}.
    """
    environment: Environment = Field(default_factory=dict)
    """Environment variables of the container; never secrets. Example: {LOG_LEVEL: debug}."""
    metrics: Annotated[tuple[Metric, ...], Items(40, kind="map")] = ()
    """Numbers to read from the log. Example: [{name: "validation:accuracy", regex: "validation_accuracy=([0-9.]+)", goal: Maximize}]."""
    resources: TrainResources | None = None
    """Machines of the job. Example: {instanceType: ml.m5.large, instanceCount: 1}. Left out: the Tenant's defaults."""
    max_runtime: TrainingDuration | None = None
    """Longest training, after which SageMaker stops it. Example: 1h. Left out: the Tenant's limit."""
    retry: Retry | None = None
    """Try again after failures that are not yours. Example: {maxAttempts: 3, onErrors: [CapacityError]}. Left out: one attempt."""
