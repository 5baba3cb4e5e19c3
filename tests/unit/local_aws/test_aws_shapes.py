"""Every answer that our services can give is one that botocore's own parser reads back unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel, Shape
from botocore.parsers import create_parser

from local_aws.model import service_model
from local_aws.wire import answer

DEPTH = 4
SAMPLES: dict[str, Any] = {
    "string": 'a "text" with é < & >',
    "integer": 3,
    "long": 2**40,
    "float": 1.5,
    "double": 0.1,
    "boolean": True,
    "timestamp": datetime(2026, 3, 29, 1, 59, 59, 123000, UTC),
    "blob": b"\x00\xff",
}


def sample(shape: Shape, depth: int = 0) -> Any:
    """A value of the shape with every member set, cut off at `DEPTH` because shapes contain themselves."""
    if shape.type_name == "structure":
        if shape.metadata.get("document"):
            return {}
        members = list(shape.members.items())
        # Of a union one member must be set, and no more.
        union = bool(shape.metadata.get("union"))
        if depth >= DEPTH and not union:
            return {}
        chosen = members[:1] if union else members
        return {name: sample(member, depth + 1) for name, member in chosen}
    if shape.type_name == "list":
        return [] if depth >= DEPTH else [sample(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {"key": sample(shape.value, depth + 1)}
    return SAMPLES[shape.type_name]


def operations(service: str) -> Iterator[OperationModel]:
    model = service_model(service)
    assert model is not None
    for name in model.operation_names:
        operation = model.operation_model(name)
        if operation.output_shape is not None:
            yield operation


@pytest.mark.parametrize("service", ["sagemaker", "glue", "application-autoscaling"])
def test_json_answers_are_read_back_as_they_were_given(service: str) -> None:
    """For every operation of the service."""
    parser = create_parser("json")
    for operation in operations(service):
        given = sample(operation.output_shape)
        sent = answer(operation, given, "id-1", "json")
        response = {"status_code": sent.status, "headers": HeadersDict(dict(sent.headers)), "body": sent.body}
        parsed = parser.parse(response, operation.output_shape)
        assert parsed.pop("ResponseMetadata")["RequestId"] == "id-1"
        assert parsed == given, operation.name


@pytest.mark.parametrize("operation", ["AssumeRole", "GetCallerIdentity"])
def test_query_answers_are_read_back_as_they_were_given(operation: str) -> None:
    """Text is escaped, times are whole seconds."""
    model = service_model("sts")
    assert model is not None
    known = model.operation_model(operation)
    given = sample(known.output_shape)
    if "Credentials" in given:
        given["Credentials"]["Expiration"] = datetime(2026, 3, 29, 1, 59, 59, tzinfo=UTC)
    sent = answer(known, given, "id-1", "query")
    response = {"status_code": sent.status, "headers": HeadersDict(dict(sent.headers)), "body": sent.body}
    parsed = create_parser("query").parse(response, known.output_shape)
    assert parsed.pop("ResponseMetadata")["RequestId"] == "id-1"
    assert parsed == given
