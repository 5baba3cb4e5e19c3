"""The not-found table of AWS as clients tell resources apart: code and beginning (or end) of the message.

Each row is one case for each operation that looks a resource up. Source: reference/local-aws.md 3.4 (the ACK
controller's table) for SageMaker, reference/failure-modes.md 2.1 for Glue.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from target import Target

pytestmark = pytest.mark.live

ABSENT = "conformance-absent"
TRAINING = ("ValidationException", r"^Requested resource not found")
PROCESSING = ("ValidationException", r"^Could not find requested job")
TRANSFORM = ("ValidationException", r"^Could not find requested job with name")
CONFIG = ("ValidationException", r"^Could not find endpoint configuration ")
ENDPOINT = ("ValidationException", r"^Could not find endpoint ")
RUNTIME = ("ValidationError", r"^Endpoint .* of account \d{12} not found\.$")
MODEL = ("ValidationException", r"^Could not find model ")
NOT_EXIST = ("ValidationException", r" does not exist\.$")
GLUE = ("EntityNotFoundException", r".")
MONITORING = ("ResourceNotFound", r".")
DASHBOARD = ("ResourceNotFound", r"^Dashboard .* does not exist$")

CASES: list[tuple[str, str, dict[str, Any], tuple[str, str]]] = [
    ("sagemaker", "describe_training_job", {"TrainingJobName": ABSENT}, TRAINING),
    ("sagemaker", "stop_training_job", {"TrainingJobName": ABSENT}, TRAINING),
    ("sagemaker", "delete_training_job", {"TrainingJobName": ABSENT}, TRAINING),
    ("sagemaker", "describe_processing_job", {"ProcessingJobName": ABSENT}, PROCESSING),
    ("sagemaker", "stop_processing_job", {"ProcessingJobName": ABSENT}, PROCESSING),
    ("sagemaker", "delete_processing_job", {"ProcessingJobName": ABSENT}, PROCESSING),
    ("sagemaker", "describe_transform_job", {"TransformJobName": ABSENT}, TRANSFORM),
    ("sagemaker", "stop_transform_job", {"TransformJobName": ABSENT}, TRANSFORM),
    ("sagemaker", "describe_endpoint_config", {"EndpointConfigName": ABSENT}, CONFIG),
    ("sagemaker", "delete_endpoint_config", {"EndpointConfigName": ABSENT}, CONFIG),
    ("sagemaker", "create_endpoint", {"EndpointName": ABSENT, "EndpointConfigName": ABSENT}, CONFIG),
    ("sagemaker", "describe_endpoint", {"EndpointName": ABSENT}, ENDPOINT),
    ("sagemaker", "update_endpoint", {"EndpointName": ABSENT, "EndpointConfigName": ABSENT}, ENDPOINT),
    ("sagemaker", "delete_endpoint", {"EndpointName": ABSENT}, ENDPOINT),
    ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": ABSENT, "Body": b"x"}, RUNTIME),
    ("sagemaker-runtime", "invoke_endpoint_async", {"EndpointName": ABSENT, "InputLocation": "s3://bucket/x"}, RUNTIME),
    ("sagemaker", "describe_model", {"ModelName": ABSENT}, MODEL),
    ("sagemaker", "delete_model", {"ModelName": ABSENT}, MODEL),
    ("sagemaker", "describe_model_package", {"ModelPackageName": ABSENT}, NOT_EXIST),
    ("sagemaker", "delete_model_package", {"ModelPackageName": ABSENT}, NOT_EXIST),
    ("sagemaker", "update_model_package", {"ModelPackageArn": "<model-package>"}, NOT_EXIST),
    ("sagemaker", "describe_model_package_group", {"ModelPackageGroupName": ABSENT}, NOT_EXIST),
    ("sagemaker", "delete_model_package_group", {"ModelPackageGroupName": ABSENT}, NOT_EXIST),
    ("sagemaker", "list_model_packages", {"ModelPackageGroupName": ABSENT}, NOT_EXIST),
    ("sagemaker", "list_tags", {"ResourceArn": "<training-job>"}, TRAINING),
    ("sagemaker", "list_tags", {"ResourceArn": "<processing-job>"}, PROCESSING),
    ("sagemaker", "list_tags", {"ResourceArn": "<model>"}, MODEL),
    ("sagemaker", "list_tags", {"ResourceArn": "<transform-job>"}, TRANSFORM),
    ("sagemaker", "list_tags", {"ResourceArn": "<endpoint-config>"}, CONFIG),
    ("sagemaker", "list_tags", {"ResourceArn": "<endpoint>"}, ENDPOINT),
    ("sagemaker", "list_tags", {"ResourceArn": "<model-package-group>"}, NOT_EXIST),
    *(
        ("sagemaker", f"{verb}_{kind}_job_definition", {"JobDefinitionName": ABSENT}, MONITORING)
        for verb in ("describe", "delete")
        for kind in ("data_quality", "model_quality", "model_bias", "model_explainability")
    ),
    *(
        ("sagemaker", f"{verb}_monitoring_schedule", {"MonitoringScheduleName": ABSENT}, MONITORING)
        for verb in ("describe", "start", "stop", "delete")
    ),
    ("sagemaker", "list_monitoring_alerts", {"MonitoringScheduleName": ABSENT}, MONITORING),
    ("cloudwatch", "get_dashboard", {"DashboardName": ABSENT}, DASHBOARD),
    ("cloudwatch", "delete_dashboards", {"DashboardNames": [ABSENT]}, DASHBOARD),
    ("glue", "get_job", {"JobName": ABSENT}, GLUE),
    ("glue", "update_job", {"JobName": ABSENT, "JobUpdate": {}}, GLUE),
    ("glue", "start_job_run", {"JobName": ABSENT}, GLUE),
    ("glue", "get_job_run", {"JobName": ABSENT, "RunId": "jr_absent"}, GLUE),
    ("glue", "get_job_runs", {"JobName": ABSENT}, GLUE),
]


@pytest.mark.parametrize(
    ("service", "operation", "params", "expected"),
    CASES,
    ids=[f"{operation}-{'-'.join(map(str, params))}-{i}" for i, (_, operation, params, _) in enumerate(CASES)],
)
def test_a_missing_resource(target: Target, service: str, operation: str, params: dict[str, Any], expected: tuple[str, str]) -> None:
    """A name that nobody used gives that resource's own error."""
    filled = {
        key: target.arn(value[1:-1], ABSENT) if isinstance(value, str) and value.startswith("<") else value for key, value in params.items()
    }
    code, message = expected
    with pytest.raises(ClientError) as caught:
        getattr(target.client(service), operation)(**filled)
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert re.search(message, error["Message"]), error["Message"]


def test_deleting_a_missing_glue_job_is_no_error(target: Target) -> None:
    """The one Glue operation on jobs that does not mind."""
    assert target.client("glue").delete_job(JobName=ABSENT)["JobName"] == ABSENT
