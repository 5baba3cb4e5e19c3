"""Writes docs/iam/*.json: least-privilege policies, from the operations that the operator's code calls.

An operation is a string in operator/sagemaker_gitops that is the name of an operation of one of the services; the tables of errors and
rates name others, so they do not count. The system tests run under what is written here (tests/system/conftest.py).
Account, region and team are those of the samples. Source: AWS Service Authorization Reference.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import botocore.session

import generated

SOURCE = generated.ROOT / "operator" / "sagemaker_gitops"
NOT_CALLS = ("aws/errors.py", "aws/limits.py", "cli/")
ACCOUNT, REGION, TEAM, BUCKET = "123456789012", "eu-central-1", "team-a", "team-a-ml"
BASE = ("sts", "sqs")  # as the operator itself; everything else as a tenant's role
SERVICES = ("sagemaker", "sagemaker-runtime", "glue", "s3", "logs", "cloudwatch", "application-autoscaling", "sns", "cloudtrail", *BASE)
# Names that several services have: whose they are.
SHARED = {"CreateJob": "glue", "ListJobs": "glue", "ListTagsForResource": "cloudwatch"}
# What IAM calls an operation, where that is another name; and what an operation needs besides.
ACTIONS = {
    "s3:HeadObject": ("s3:GetObject", "s3:GetObjectVersion"),
    "s3:GetObject": ("s3:GetObject", "s3:GetObjectVersion"),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "sts:AssumeRole": ("sts:AssumeRole", "sts:TagSession"),
    "glue:CreateJob": ("glue:CreateJob", "glue:TagResource"),
    "cloudwatch:PutMetricAlarm": ("cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"),
}
# SageMaker's resource types by what an operation's name ends with; names begin with the namespace (core/naming.py).
RESOURCES = {
    "DataQualityJobDefinition": "data-quality-job-definition",
    "ModelQualityJobDefinition": "model-quality-job-definition",
    "ModelBiasJobDefinition": "model-bias-job-definition",
    "MonitoringSchedule": "monitoring-schedule",
    "TrainingJob": "training-job",
    "ProcessingJob": "processing-job",
    "TransformJob": "transform-job",
    "EndpointConfig": "endpoint-config",
    "Endpoint": "endpoint",
    "UpdateEndpointWeightsAndCapacities": "endpoint",
    "ModelPackageGroup": "model-package-group",
    "ModelPackage": "model-package",
    "Model": "model",
}
_ACCOUNT_WIDE = ("GetMetricData", "GetMetricStatistics", "DescribeAlarms", "PutMetricData")
Statement = dict[str, Any]


def operations() -> set[str]:
    """service:Operation of every AWS operation that the operator calls."""
    session = botocore.session.get_session()
    owners: dict[str, list[str]] = {}
    for service in SERVICES:
        for name in session.get_service_model(service).operation_names:
            owners.setdefault(name, []).append(service)
    texts = {text for path in _modules() for text in _texts(path)}
    return {f"{SHARED.get(name) or owners[name][0]}:{name}" for name in texts & owners.keys()}


def _modules() -> Iterable[Path]:
    return (path for path in SOURCE.rglob("*.py") if not str(path.relative_to(SOURCE)).startswith(NOT_CALLS))


def _texts(path: Path) -> Iterable[str]:
    return (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def actions(service: str) -> list[str]:
    """IAM actions of the operator's calls of one service; the runtime's are SageMaker's own."""
    called = (operation for operation in operations() if operation.split(":")[0] in (service, f"{service}-runtime"))
    found = {action for operation in called for action in ACTIONS.get(operation, (operation.replace("-runtime:", ":"),))}
    return sorted(found)


def _allow(sid: str, actions: list[str], resources: list[str], **condition: Any) -> Statement:
    made: Statement = {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
    return made | ({"Condition": condition} if condition else {})


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _sagemaker() -> list[Statement]:
    """By name where AWS takes a name; lists are of the whole account."""
    by_type: dict[str, list[str]] = {}
    rest = []
    for action in actions("sagemaker"):
        name = action.split(":")[1]
        type_ = next((found for ending, found in RESOURCES.items() if name.endswith(ending)), None)
        if type_ is None or name.startswith("List"):
            rest.append(action)
        else:
            by_type.setdefault(type_, []).append(action)
    lists = [action for action in rest if action.split(":")[1].startswith("List") and action != "sagemaker:ListTags"]
    tags = sorted({"sagemaker:AddTags", *(action for action in rest if action not in lists)})
    own = [_arn("sagemaker", f"{type_}/{TEAM}-*") for type_ in by_type if not type_.startswith("model-package")]
    groups = [_arn("sagemaker", f"{type_}/*") for type_ in by_type if type_.startswith("model-package")]
    made = [
        _allow(
            f"SageMaker{''.join(part.title() for part in type_.split('-'))}",
            found,
            [_arn("sagemaker", f"{type_}/{TEAM}-*" if not type_.startswith("model-package") else f"{type_}/*")],
        )
        for type_, found in by_type.items()
    ]
    return [*made, _allow("SageMakerTags", tags, [*own, *groups]), _allow("SageMakerLists", lists, ["*"])]


def tenant() -> list[Statement]:
    """What the operator does as the role of one tenant (Tenant.spec.roleArn)."""
    watch = [action for action in actions("cloudwatch") if action.endswith(_ACCOUNT_WIDE)]
    scaling = actions("application-autoscaling")
    objects = [action for action in actions("s3") if "List" not in action]
    return [
        *_sagemaker(),
        _allow("Glue", [action for action in actions("glue") if action != "glue:ListJobs"], [_arn("glue", f"job/{TEAM}-*")]),
        _allow("GlueLists", ["glue:ListJobs"], ["*"]),
        _allow("Objects", objects, [f"arn:aws:s3:::{BUCKET}/*"]),
        _allow("Buckets", sorted({"s3:ListBucket", *(a for a in actions("s3") if "List" in a)}), [f"arn:aws:s3:::{BUCKET}"]),
        _allow("Logs", actions("logs"), [_arn("logs", "log-group:/aws/sagemaker/*"), _arn("logs", "log-group:/aws-glue/*")]),
        _allow("Alarms", [action for action in actions("cloudwatch") if action not in watch], [_arn("cloudwatch", f"alarm:{TEAM}-*")]),
        _allow("Metrics", watch, ["*"]),
        _allow("Notifications", actions("sns"), [_arn("sns", f"{TEAM}-*")]),
        _allow("Scaling", scaling, ["*"]),
        _allow("Trail", actions("cloudtrail"), ["*"]),
        _allow(
            "ScalingRole",
            ["iam:CreateServiceLinkedRole"],
            [f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/*"],
            StringEquals={"iam:AWSServiceName": "sagemaker.application-autoscaling.amazonaws.com"},
        ),
        _allow("WhoAmI", ["sts:GetCallerIdentity"], ["*"]),
        _allow(
            "PassExecutionRoles",
            ["iam:PassRole"],
            [f"arn:aws:iam::{ACCOUNT}:role/{TEAM}/*"],
            StringEquals={"iam:PassedToService": ["sagemaker.amazonaws.com", "glue.amazonaws.com"]},
        ),
    ]


def operator() -> list[Statement]:
    """The operator's own role: the tenants' roles, and the queue."""
    return [
        _allow("TenantRoles", list(ACTIONS["sts:AssumeRole"]), [f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-*"]),
        _allow("Events", actions("sqs"), [_arn("sqs", "sagemaker-gitops-events")]),
    ]


def _execution(*groups: str) -> list[Statement]:
    """What a container needs: the team's bucket, its own log, its image."""
    return [
        _allow("Objects", ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload"], [f"arn:aws:s3:::{BUCKET}/*"]),
        _allow("Buckets", ["s3:ListBucket", "s3:GetBucketLocation"], [f"arn:aws:s3:::{BUCKET}"]),
        _allow(
            "Logs",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [_arn("logs", f"log-group:{group}*") for group in groups],
        ),
    ]


def _containers(namespace: str) -> list[Statement]:
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    repositories = [f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{TEAM}/*", f"arn:aws:ecr:{REGION}:492215442770:repository/*"]
    published = {"cloudwatch:namespace": namespace}
    return [
        _allow("Images", pull, repositories),
        _allow("Registry", ["ecr:GetAuthorizationToken"], ["*"]),
        _allow("Metrics", ["cloudwatch:PutMetricData"], ["*"], StringLike=published),
    ]


def endpoint() -> list[Statement]:
    """Besides: the alarms that roll a deployment back are read as this role, and so are the topics of asynchronous answers written to.

    Source: SageMaker developer guide, "Auto-Rollback Configuration and Monitoring" and "Check prediction results" (asynchronous inference).
    """
    return [
        *_execution("/aws/sagemaker/Endpoints/", "/aws/sagemaker/TransformJobs"),
        *_containers("/aws/sagemaker/*"),
        _allow("RollbackAlarms", ["cloudwatch:DescribeAlarms"], [_arn("cloudwatch", "alarm:*")]),
        _allow("AsyncTopics", ["sns:Publish"], [_arn("sns", f"{TEAM}-*")]),
    ]


def kms() -> list[Statement]:
    """For the tenant's role and its execution roles, where a Tenant has keys (allow.kmsKeyArns)."""
    use = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
    return [_allow("Keys", use, [_arn("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab")])]


def vpc() -> list[Statement]:
    """For execution roles, where a Tenant has subnets: SageMaker puts network interfaces into them."""
    interfaces = [
        "CreateNetworkInterface",
        "CreateNetworkInterfacePermission",
        "DeleteNetworkInterface",
        "DeleteNetworkInterfacePermission",
    ]
    read = ["DescribeDhcpOptions", "DescribeNetworkInterfaces", "DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs"]
    return [_allow("Interfaces", [f"ec2:{name}" for name in (*interfaces, *read)], ["*"])]


def files() -> dict[str, str]:
    """Path below the repository -> text."""
    policies = {
        "operator": operator(),
        "tenant": tenant(),
        "training": [*_execution("/aws/sagemaker/TrainingJobs", "/aws/sagemaker/ProcessingJobs"), *_containers("/aws/sagemaker/*")],
        "kms": kms(),
        "vpc": vpc(),
        "glue": _execution("/aws-glue/"),
        "endpoint": endpoint(),
    }
    return {
        f"docs/iam/{name}.json": json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"
        for name, statements in policies.items()
    }


if __name__ == "__main__":
    sys.exit(generated.run(sys.argv[1:], files()))
