"""The scalar types of the API: durations, S3 URIs, ARNs, names, numbers. Each names its fix in its message.

Sources: botocore's service models of sagemaker and glue (patterns, bounds), S3 bucket naming rules. Texts are ASCII
(failure-modes.md K4); where `${parameters.x}` may stand, the form allows it and is checked again after it is resolved.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, StrictBool, StrictInt
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from sagemaker_gitops.api import secret_names
from sagemaker_gitops.api.base import Entries, Items, Problem, Rule, Text, problem, quoted

DAY = 86_400
HYPERPARAMETER_LIMIT = 2500  # HyperParameterValue
ONE_LINE = r"[^\x00-\x1f\x7f]*"
ONE_LINE_WORDS = "must be one line without control characters"
_TEMPLATE = r"\$\{parameters\.[A-Za-z][A-Za-z0-9_]*\}"
_DURATION = re.compile(r"(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,7})s)?")


def seconds(text: str) -> int:
    """The seconds of a duration such as 90m, 1h30m or 45s. ValueError when it is none."""
    found = _DURATION.fullmatch(text)
    if not found or not text:
        raise ValueError("must be a duration such as 90m, 1h30m or 45s")
    hours, minutes, rest = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + rest


def duration(value: int) -> str:
    """`value` seconds in the form that a person writes: 5400 is 1h30m."""
    parts = ((value // 3600, "h"), (value % 3600 // 60, "m"), (value % 60, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def duration_type(shortest: int, longest: int) -> Text:
    """A duration of at least `shortest` and at most `longest` seconds; code sees an int of seconds."""
    message = f"must be a duration such as 90m, 1h30m or 45s, from {duration(shortest)} to {duration(longest)}"

    def convert(text: str) -> int:
        if not text or not shortest <= seconds(text) <= longest:
            raise ValueError(message)
        return seconds(text)

    bounds = f"duration(self) >= duration('{shortest}s') && duration(self) <= duration('{longest}s')"
    return Text(_DURATION.pattern, message, 20, f"self != '' && {bounds}", convert)


TrainingDuration = Annotated[int, duration_type(1, 28 * DAY)]  # StoppingCondition: 28 days
ProcessingDuration = Annotated[int, duration_type(1, 7 * DAY)]  # ProcessingStoppingCondition: 7 days
GlueDuration = Annotated[int, duration_type(60, 7 * DAY)]  # Timeout counts in minutes, at most 7 days

_BUCKET = r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"
_SEGMENT = rf"(?:[A-Za-z0-9!_=+@:,-]|{_TEMPLATE})(?:[A-Za-z0-9!_.=+@:,-]|{_TEMPLATE})*"
_S3_WORDS = "a bucket of lower-case letters, digits and hyphens, then folders of letters, digits and !_.=+@:,- that do not start with a dot"
S3_LIMIT = 512


S3Uri = Annotated[
    str,
    Text(
        rf"s3://{_BUCKET}(?:/{_SEGMENT})+/?|s3://{_BUCKET}/",
        f"must be s3://bucket/folder/ or s3://bucket/folder/file: {_S3_WORDS}",
        S3_LIMIT,
    ),
]
S3Prefix = Annotated[str, Text(rf"s3://{_BUCKET}/(?:{_SEGMENT}/)*", f"must be s3://bucket/folder/ and end with /: {_S3_WORDS}", S3_LIMIT)]
S3Archive = Annotated[
    str, Text(rf"s3://{_BUCKET}(?:/{_SEGMENT})*/{_SEGMENT}\.tar\.gz", f"must be s3://bucket/folder/name.tar.gz: {_S3_WORDS}", S3_LIMIT)
]

_ARN = r"arn:aws(?:-cn|-us-gov)?"
_ROLE_PATH = r"(?:[A-Za-z0-9+=,@_-][A-Za-z0-9+=,.@_-]*/)*"
RoleArn = Annotated[
    str,
    Text(
        rf"{_ARN}:iam::[0-9]{{12}}:role/{_ROLE_PATH}[A-Za-z0-9+=,.@_-]{{1,64}}",
        "must be the ARN of an IAM role such as arn:aws:iam::123456789012:role/training",
        256,
    ),
]
RoleArnPattern = Annotated[
    str,
    Text(
        rf"{_ARN}:iam::[0-9]{{12}}:role/{_ROLE_PATH}(?:\*|[A-Za-z0-9+=,.@_-]{{1,64}}\*?)",
        "must be the ARN of an IAM role, of which only the end may be *, such as arn:aws:iam::123456789012:role/team-a/*",
        256,
    ),
]
_KEY_ID = r"key/[A-Za-z0-9-]{1,128}"
KmsKeyArn = Annotated[
    str,
    Text(
        rf"{_ARN}:kms:[a-z0-9-]{{5,20}}:[0-9]{{12}}:{_KEY_ID}",
        "must be the ARN of a KMS key, not of an alias, such as"
        " arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        256,
    ),
]
TopicArn = Annotated[
    str,
    Text(
        rf"{_ARN}:sns:[a-z0-9-]{{5,20}}:[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}",
        "must be the ARN of a standard SNS topic such as arn:aws:sns:eu-central-1:123456789012:team-a-answers",
        320,
    ),
]
TopicArnPattern = Annotated[
    str,
    Text(
        rf"{_ARN}:sns:[a-z0-9-]{{5,20}}:[0-9]{{12}}:(?:\*|[A-Za-z0-9_-]{{1,256}}\*?)",
        "must be the ARN of an SNS topic, of which only the end may be *, such as arn:aws:sns:eu-central-1:123456789012:team-a-*",
        320,
    ),
]
SubnetId = Annotated[str, Text(r"subnet-[0-9a-f]{8,17}", "must be the id of a subnet such as subnet-0a1b2c3d4e5f60718", 32)]
SecurityGroupId = Annotated[str, Text(r"sg-[0-9a-f]{8,17}", "must be the id of a security group such as sg-0a1b2c3d4e5f60718", 32)]
GlueVersion = Annotated[str, Text(r"[0-9]\.[0-9]", 'must be a Glue version in quotes, such as "5.0"', 3)]
AccountId = Annotated[str, Text(r"[0-9]{12}", 'must be the 12 digits of an AWS account, in quotes, such as "123456789012"', 12)]
Region = Annotated[str, Text(r"[a-z]{2}(?:-[a-z]{2,5})?-[a-z]{4,12}-[0-9]", "must be an AWS region such as eu-central-1", 32)]

InstanceType = Annotated[str, Text(r"ml\.[a-z0-9-]{2,20}\.[a-z0-9-]{2,12}", "must be a SageMaker instance type such as ml.m5.large", 40)]
InstanceTypePattern = Annotated[
    str, Text(r"ml\.(?:\*|[a-z0-9-]{2,20}\.(?:\*|[a-z0-9-]{2,12}))", "must be an instance type, or a family such as ml.m5.*, or ml.*", 40)
]
_IMAGE = r"[a-z0-9][a-z0-9._:-]*(?:/[a-z0-9][a-z0-9._-]*)*"
IMAGE_FORM = rf"{_IMAGE}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
ImageUri = Annotated[
    str,
    Text(
        IMAGE_FORM,
        "must be an image such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com/digits:1.0 or one with @sha256:<64 hex digits>",
        255,
    ),
]
ImagePattern = Annotated[
    str,
    Text(
        r"[a-z0-9][A-Za-z0-9._:/@-]*\*?",
        "must be an image, of which only the end may be *, such as 123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/*",
        255,
    ),
]

Name = Annotated[
    str, Text(r"[a-z](?:[a-z0-9_-]{0,61}[a-z0-9])?", "must start with a letter and have at most 63 lower-case letters, digits, - and _", 63)
]
Namespace = Annotated[str, Text(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", "must be the name of a namespace such as team-a", 63)]
ObjectName = Annotated[
    str,
    Text(
        r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?",
        "must be the name of an object in this namespace: lower-case letters, digits, - and .",
        253,
    ),
]
GroupName = Annotated[
    str,
    Text(r"[A-Za-z0-9](?:-*[A-Za-z0-9]){0,62}", "must be the name of a model package group: at most 63 letters, digits and hyphens", 63),
]
GroupNamePattern = Annotated[
    str,
    Text(
        r"[A-Za-z0-9](?:-*[A-Za-z0-9]){0,62}-?\*?",
        "must be the name of a model package group, of which only the end may be *, such as team-a-*",
        64,
    ),
]
VariantName = Annotated[
    str, Text(r"[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}", "must be the name of a variant: at most 63 letters, digits and hyphens", 63)
]
Version = Annotated[str, Text(r"[0-9A-Za-z][0-9A-Za-z._-]*", "must be a version such as 1.4-2", 32)]
PyVersion = Annotated[str, Text(r"py[0-9]{1,3}", "must be a Python version in SageMaker's form, such as py3 or py310", 8)]
FrameworkName = Annotated[
    str, Text(r"[a-z][a-z0-9-]*", "must be the name of a framework in lower case, such as sklearn, pytorch or xgboost", 63)
]
FilePath = Annotated[
    str,
    Text(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*",
        "must be the path of a file inside the source, such as train.py or src/train.py: no leading / or dot, no ..",
        255,
    ),
]
ConfigMapKey = Annotated[
    str, Text(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", "must be a key of a ConfigMap, such as sample.csv: letters, digits and -_.", 253)
]
ContentType = Annotated[
    str,
    Text(
        r"[a-z]+/[A-Za-z0-9.+_-]+(?:; ?[a-z_]+=[A-Za-z0-9._-]+)*", "must be a content type such as text/csv or application/x-parquet", 128
    ),
]
Sha256 = Annotated[str, Text(r"[0-9a-f]{64}", "must be the SHA-256 of the archive: 64 lower-case hex digits (sha256sum prints it)", 64)]
ExternalId = Annotated[str, Text(r"[A-Za-z0-9_+=,.@:/-]{2,}", "must have 2 to 1224 letters, digits and _+=,.@:/-", 1224)]
MetricName = Annotated[str, Text(r"[A-Za-z0-9_][A-Za-z0-9_:./@-]*", "must be the name of a metric such as validation:accuracy", 128)]


def _metric_regex(text: str) -> str:
    """AWS uses the first capture group as the value; it is compiled here so that a slip is found before a job runs."""
    try:
        compiled = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if not compiled.groups:
        raise ValueError("must have a capture group around the number, such as accuracy=([0-9.]+)")
    return text


MetricRegex = Annotated[
    str, Text(r"[ -~]*\([ -~]*", "must have a capture group around the number, such as accuracy=([0-9.]+)", 500, convert=_metric_regex)
]

Parameter = Annotated[str, Text(ONE_LINE, ONE_LINE_WORDS, 512)]
Argument = Annotated[str, Text(r"[^\x00-\x1f\x7f]+", f"{ONE_LINE_WORDS}, and not empty", 256)]
Variable = Annotated[str, Text(ONE_LINE, ONE_LINE_WORDS, 512)]
_KEY_WORDS = "keys must start with a letter or _ and have at most 128 letters, digits and _"
_NO_SECRETS = ((secret_names.CEL, secret_names.MESSAGE),)
Environment = Annotated[dict[str, Variable], Entries(50, r"[A-Za-z_][A-Za-z0-9_]*", _KEY_WORDS, cel=_NO_SECRETS)]
GlueArguments = Annotated[
    dict[str, Parameter],
    Entries(
        50,
        r"--[A-Za-z][A-Za-z0-9_-]*",
        "keys must start with -- and a letter and have at most 128 letters, digits, - and _",
        cel=_NO_SECRETS,
    ),
]
Parameters = Annotated[
    dict[str, Parameter],
    Entries(50, r"[A-Za-z][A-Za-z0-9_]*", "keys must start with a letter and have at most 63 letters, digits and _", 63),
]
TAG_PREFIX = "sagemaker-gitops.dev/"
_TAG_WORDS = "keys must have only letters, digits, spaces and _.:/=+@- (at most 128)"
TagValue = Annotated[str, Text(r"[A-Za-z0-9 _.:/=+@-]*", "must have letters, digits, spaces and _.:/=+@- (at most 256)", 256)]
Tags = Annotated[dict[str, TagValue], Entries(40, r"[A-Za-z0-9 _.:/=+@-]+", _TAG_WORDS)]
TAG_RULE = Rule(
    f"!has(self.tags) || self.tags.all(k, !k.startsWith('aws:') && !k.startsWith('{TAG_PREFIX}'))",
    f"keys that start with aws: or {TAG_PREFIX} are reserved: choose other keys",
    lambda block: not any(key.startswith(("aws:", TAG_PREFIX)) for key in block.tags),
    ".tags",
)


def reserved_tags(block: Any) -> Iterator[Problem]:
    """AWS refuses its prefix in any case; the API server's rule knows the usual one."""
    for key in block.tags:
        if key.lower().startswith("aws:") and not key.startswith("aws:"):
            yield f".tags.{key}", "keys that start with aws: are reserved: choose another key"


Names = Annotated[tuple[Name, ...], Items(20, kind="set")]
Files = Annotated[tuple[FilePath, ...], Items(50, min_items=1, kind="set")]

Flag = StrictBool
Count = Annotated[StrictInt, Field(ge=1, le=100)]


@dataclass(frozen=True, slots=True)
class Number:
    """A finite JSON number that code sees as float; integers are welcome, texts and booleans are not."""

    minimum: float | None = None
    maximum: float | None = None

    def parse(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise PydanticCustomError("float_type", "must be a number")
        if not math.isfinite(value):
            raise problem("must be a finite number")
        if self.minimum is not None and value < self.minimum:
            raise problem(f"should be greater than or equal to {self.minimum:g}")
        if self.maximum is not None and value > self.maximum:
            raise problem(f"should be less than or equal to {self.maximum:g}")
        return float(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        return {"type": "number"} | {name: bound for name, bound in bounds.items() if bound is not None}


@dataclass(frozen=True, slots=True)
class PercentOrNumber:
    """Kubernetes' int-or-string: a text that `pattern` matches, or a whole number from 1 to `largest`."""

    pattern: str
    largest: int
    message: str

    def parse(self, value: Any) -> int | str:
        if isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII):
            return value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= self.largest:
            return value
        raise problem(self.message)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        rule = f"type(self) == int ? self >= 1 && self <= {self.largest} : self.matches({quoted(f'^(?:{self.pattern})$')})"
        validations = [{"rule": rule, "message": self.message}]
        return {"x-kubernetes-int-or-string": True, "maxLength": 4, "x-kubernetes-validations": validations}


class Scalar:
    """A hyperparameter: number, boolean or text. The API server leaves it untyped, so that 200, true and "200" all arrive as written.

    A float without fraction becomes an int, as on its way through the API server: 3.0 in a file and 3 in the cluster are one value.
    """

    @staticmethod
    def parse(value: object) -> int | float | bool | str:
        if isinstance(value, str):
            if len(value) > HYPERPARAMETER_LIMIT:
                raise problem(f"Too long: may not be more than {HYPERPARAMETER_LIMIT} bytes")
            if not re.fullmatch(ONE_LINE, value):
                raise problem(ONE_LINE_WORDS)
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise problem("must be a finite number")
            return int(value) if value.is_integer() and abs(value) < 2**53 else value
        elif not isinstance(value, int):
            raise problem("must be a number, a boolean or a string")
        elif abs(value) >= 2**63:
            raise problem("must fit in 64 bits: write it as a string")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"x-kubernetes-preserve-unknown-fields": True, "maxLength": HYPERPARAMETER_LIMIT, "maxItems": 0, "maxProperties": 0}


def aws_string(value: float | bool | str) -> str:
    """The text AWS receives for a hyperparameter: true and false in lower case, numbers in Python's shortest form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


Hyperparameters = Annotated[
    dict[str, Annotated[int | float | bool | str, Scalar()]],
    Entries(
        100,
        r"[A-Za-z_][A-Za-z0-9_.:-]*",
        "keys must start with a letter or _ and have at most 256 letters, digits and _.:-",
        256,
        code_only=True,
    ),
]
