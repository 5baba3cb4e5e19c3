"""botocore's service models, loaded on first use, and the tables by which a request finds its operation.

The models are AWS's own description of the wire (members, constraints, protocol), so nothing of it is
repeated here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

OWN_TARGETS: Final = {
    "SageMaker": "sagemaker",
    "AWSGlue": "glue",
    "GraniteServiceVersion20100801": "cloudwatch",
    "AnyScaleFrontendService": "application-autoscaling",
    "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": "cloudtrail",
}
"""`X-Amz-Target` prefix -> service, for the JSON services that are ours."""

TARGETS: Final = OWN_TARGETS | {
    "AmazonSQS": "sqs",
    "AWSEvents": "events",
    "Logs_20140328": "logs",
    "DynamoDB_20120810": "dynamodb",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "CodeBuild_20161006": "codebuild",
    "AWSStepFunctions": "stepfunctions",
    "TrentService": "kms",
    "secretsmanager": "secretsmanager",
    "AmazonSSM": "ssm",
}
"""`X-Amz-Target` prefix -> service, for the ledger's sake also those that moto answers."""

SIGNING_NAMES: Final = {"monitoring": "cloudwatch", "states": "stepfunctions"}
"""Name in a signature's scope -> botocore's name, where they differ."""

_NAME_SUFFIXES: Final = ("Name", "Arn", "Url", "Id")
_VERBS: Final = ("BatchStop", "BatchGet", "BatchDelete", "BatchDescribe", "BatchPut")
_loader = Loader()


@cache
def service_model(service: str) -> ServiceModel | None:
    """The newest model of a service; None when botocore has none by that name."""
    try:
        return ServiceModel(_loader.load_service_model(service, "service-2"), service)
    except UnknownServiceError:
        return None


@cache
def operation_model(service: str, operation: str) -> OperationModel | None:
    """The model of one operation; None when the service has none by that name."""
    model = service_model(service)
    if model is None or operation not in model.operation_names:
        return None
    return model.operation_model(operation)


def split_target(target: str) -> tuple[str, str]:
    """(service, operation) of an `X-Amz-Target` header; an unknown prefix is returned in lower case."""
    prefix, _, operation = target.rpartition(".")
    return TARGETS.get(prefix, prefix.lower()), operation


REST: Final = ("scheduler",)
"""REST services of moto whose operations are told apart, for the ledger, for denials and for what we add to them."""


def rest_operation(service: str, method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """(operation, members in the path) of a request to one of REST; None for a path that it does not have."""
    for verb, pattern, operation in _rest_routes(service):
        if verb == method and (found := pattern.fullmatch(path)):
            return operation, found.groupdict()
    return None


@cache
def _rest_routes(service: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    model = service_model(service)
    assert model is not None, "REST services are botocore's"
    found = [(name, model.operation_model(name).http) for name in model.operation_names]
    return tuple((http["method"], re.compile(re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", http["requestUri"])), name) for name, http in found)


def noun(operation: str) -> str:
    """What an operation is about: CreateTrainingJob -> TrainingJob, BatchStopJobRun -> JobRun."""
    for verb in _VERBS:
        if operation.startswith(verb):
            return operation[len(verb) :]
    rest = operation.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ").lstrip("abcdefghijklmnopqrstuvwxyz")
    return rest or operation


@cache
def name_members(service: str, operation: str) -> tuple[str, ...]:
    """Members of the request that may name the resource, best first."""
    model = operation_model(service, operation)
    if model is None or model.input_shape is None:
        return ()
    members: dict[str, Shape] = dict(model.input_shape.members)
    thing = noun(operation)
    required = [name for name in model.input_shape.required_members if name.endswith(_NAME_SUFFIXES)]
    preferred = [f"{thing}Name", "Name", f"{thing}Arn", f"{thing}GroupName", "JobName", *required]
    strings = [name for name in preferred if name in members and members[name].type_name == "string"]
    return tuple(dict.fromkeys(strings))
