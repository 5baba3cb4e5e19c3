"""Rules between the members of CreateTransformJob that no service model holds, and what this local AWS can't do.

Source: API reference of CreateTransformJob and its parts. AWS's own wording was not found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local_aws import storage
from local_aws.errors import AwsError
from local_aws.sagemaker.words import validation
from local_aws.transform.jsonpath import PathError
from local_aws.transform.records import DataError, data_format, data_processing

_MEGABYTES: Final = 100
_HERE: Final = "is not supported in this local AWS"


def check(request: Mapping[str, Any]) -> None:
    """Raises AwsError in the words of a ValidationException."""
    source, target = request["TransformInput"], request["TransformOutput"]
    if (split_type := source.get("SplitType", "None")) not in ("None", "Line"):
        raise validation(f"SplitType {split_type} {_HERE}: use Line or None.")
    if (kind := source["DataSource"]["S3DataSource"]["S3DataType"]) not in ("S3Prefix", "ManifestFile"):
        raise validation(f"S3DataType {kind} {_HERE} for transform jobs: use S3Prefix or ManifestFile.")
    if "DataCaptureConfig" in request:
        raise validation(f"DataCaptureConfig {_HERE} for transform jobs.")
    _check_uri("TransformInput.DataSource.S3DataSource.S3Uri", source["DataSource"]["S3DataSource"]["S3Uri"])
    _check_uri("TransformOutput.S3OutputPath", target["S3OutputPath"])
    _check_payload(request)
    content_type = source.get("ContentType", "")
    try:
        data_processing(request.get("DataProcessing", {}), data_format(content_type, split_type))
    except (PathError, DataError) as error:
        raise validation(f"Invalid DataProcessing: {error}.") from error


def _check_uri(member: str, uri: str) -> None:
    try:
        storage.parse(uri)
    except ValueError as error:
        raise _invalid(member, error) from error


def _invalid(member: str, error: ValueError) -> AwsError:
    return validation(f"Invalid {member}: {error}")


def _check_payload(request: Mapping[str, Any]) -> None:
    payload, concurrent = request.get("MaxPayloadInMB", 0), request.get("MaxConcurrentTransforms", 0)
    if payload > _MEGABYTES:
        raise validation(f"MaxPayloadInMB must not exceed {_MEGABYTES}, but is {payload}.")
    if payload * concurrent > _MEGABYTES:
        raise validation(f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {_MEGABYTES} MB, but is {payload * concurrent}.")
