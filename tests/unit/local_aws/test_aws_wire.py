"""Requests and answers on the wire: what boto3 sends is understood, and it gets what AWS would send."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from aws_frame import Local, wsgi
from botocore.exceptions import ClientError

from local_aws.errors import AwsError
from local_aws.model import name_members, noun, operation_model
from local_aws.moto_backend import MotoBackend
from local_aws.service import Call, Handler
from local_aws.wire import load_query, validated

DESCRIBE = {"HTTP_X_AMZ_TARGET": "SageMaker.DescribeModel", "CONTENT_TYPE": "application/x-amz-json-1.1"}


def describe_model(call: Call) -> dict[str, Any]:
    return {
        "ModelName": call.params["ModelName"],
        "ModelArn": "arn:aws:sagemaker:eu-central-1:123456789012:model/m",
        "CreationTime": datetime(2026, 1, 2, 3, 4, 5, 678900, UTC),
        "ExecutionRoleArn": None,
        "Nonsense": 1,
    }


def recorder(calls: list[Call]) -> Handler:
    """A handler that keeps what it was called with."""

    def handle(call: Call) -> dict[str, Any]:
        calls.append(call)
        return {}

    return handle


def test_answers_have_only_members_of_the_output_shape(local: Local) -> None:
    """Unknown members and None are dropped, times are epoch seconds in milliseconds."""
    local.operations["sagemaker", "DescribeModel"] = describe_model
    status, headers, body = wsgi(local.app, "POST", "/", b'{"ModelName": "m"}', DESCRIBE)
    assert (status, headers["Content-Type"]) == (200, "application/x-amz-json-1.1")
    assert json.loads(body) == {
        "ModelName": "m",
        "ModelArn": "arn:aws:sagemaker:eu-central-1:123456789012:model/m",
        "CreationTime": 1767323045.679,
    }


def test_boto3_reads_the_answer(local: Local) -> None:
    """The times come back as datetimes, the request id is in the metadata."""
    local.operations["sagemaker", "DescribeModel"] = describe_model
    answer = local.client("sagemaker").describe_model(ModelName="m")
    assert answer["CreationTime"].isoformat() == "2026-01-02T03:04:05.679000+00:00"
    assert answer["ResponseMetadata"]["RequestId"] == local.world.ledger.entries()[0].request_id


def test_the_call_says_who_and_where(local: Local) -> None:
    """A handler sees the caller, the region of the signature and typed parameters."""
    calls: list[Call] = []
    local.operations["sagemaker", "DescribeModel"] = recorder(calls)
    local.client("sagemaker").describe_model(ModelName="m")
    assert calls[0].params == {"ModelName": "m"}
    assert (calls[0].region, calls[0].caller.arn) == ("eu-central-1", "arn:aws:iam::123456789012:user/admin")


def test_errors_carry_type_message_and_header(local: Local) -> None:
    """A refusal of a handler is AWS's JSON error."""

    def refuse(call: Call) -> dict[str, Any]:
        raise AwsError("ResourceInUse", "Model m is in use.", members={"ResourceArn": "arn"})

    local.operations["sagemaker", "DescribeModel"] = refuse
    status, headers, body = wsgi(local.app, "POST", "/", b'{"ModelName": "m"}', DESCRIBE)
    assert (status, headers["x-amzn-ErrorType"]) == (400, "ResourceInUse")
    expected = {"__type": "ResourceInUse", "message": "Model m is in use.", "ResourceArn": "arn"}
    assert json.loads(body) == expected


def test_a_broken_handler_is_an_internal_failure_in_json(local: Local) -> None:
    """A bug of ours is a 500 that SDKs understand, never a page."""

    def broken(call: Call) -> dict[str, Any]:
        raise KeyError("oops")

    local.operations["sagemaker", "DescribeModel"] = broken
    status, _, body = wsgi(local.app, "POST", "/", b'{"ModelName": "m"}', DESCRIBE)
    assert (status, json.loads(body)["__type"]) == (500, "InternalFailure")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff"])
def test_a_body_that_is_no_json_object_is_a_serialization_error(local: Local, body: bytes) -> None:
    """Garbage is refused and recorded."""
    status, _, answer = wsgi(local.app, "POST", "/", body, DESCRIBE)
    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")
    assert local.world.ledger.entries()[0].error == "SerializationException"


def test_requests_are_validated_before_the_handler(local: Local) -> None:
    """A request that AWS would refuse never reaches a service."""
    calls: list[Call] = []
    local.operations["sagemaker", "DescribeModel"] = recorder(calls)
    with pytest.raises(ClientError, match="Member must satisfy regular expression pattern") as caught:
        local.client("sagemaker").describe_model(ModelName="_")
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert calls == []


def test_our_own_gaps_are_named(local: Local) -> None:
    """What nobody implements is refused once, with the operation's name, and is not retried."""
    with pytest.raises(ClientError, match="does not implement sagemaker:CreateHub") as caught:
        local.client("sagemaker").create_hub(HubName="h", HubDescription="d")
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_an_operation_that_aws_does_not_have_is_unknown(local: Local) -> None:
    """Also names that no model knows get a JSON error."""
    target = {"HTTP_X_AMZ_TARGET": "SageMaker.MakeCoffee"}
    status, _, body = wsgi(local.app, "POST", "/", b"{}", target)
    assert (status, json.loads(body)["__type"]) == (400, "UnknownOperationException")


def test_families_that_fall_through_are_answered_by_moto_in_our_account(local: Local) -> None:
    """Experiments and the Data Catalog stay moto's."""
    arn = local.client("sagemaker").create_experiment(ExperimentName="e")["ExperimentArn"]
    assert arn == "arn:aws:sagemaker:eu-central-1:123456789012:experiment/e"
    local.client("glue").create_database(DatabaseInput={"Name": "db"})
    assert local.client("glue").get_database(Name="db")["Database"]["Name"] == "db"


def test_fall_through_requests_are_validated_too(local: Local) -> None:
    """moto would accept an over-long name."""
    with pytest.raises(ClientError, match="length less than or equal to 120"):
        local.client("sagemaker").create_experiment(ExperimentName="e" * 121)


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("codebuild", lambda client: client.update_project(name="p")),
        ("sns", lambda client: client.get_data_protection_policy(ResourceArn="x")),
    ],
)
def test_moto_gaps_are_proper_errors(local: Local, service: str, call: Any) -> None:
    """moto would answer an HTML page with status 500."""
    with pytest.raises(ClientError, match=f"does not implement {service}:") as caught:
        call(local.client(service))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_crash_inside_moto_is_an_internal_failure(local: Local, moto: MotoBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client sees an AWS error naming moto."""

    def crash(environ: Any, start: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(moto, "_app", crash)
    with pytest.raises(ClientError, match="moto, which answers sns:CreateTopic") as caught:
        local.client("sns").create_topic(Name="t")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_query_lists_and_structures_become_typed_parameters() -> None:
    """`Tags.member.1.Key` is a list of structures, numbers are numbers."""
    model = operation_model("sts", "AssumeRole")
    assert model is not None
    flat = load_query(
        b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fteam&RoleSessionName=run&"
        b"DurationSeconds=900&Tags.member.1.Key=a&Tags.member.1.Value=1"
        b"&Tags.member.2.Key=b&Tags.member.2.Value=2"
    )
    assert validated(model, flat, "query") == {
        "RoleArn": "arn:aws:iam::123456789012:role/team",
        "RoleSessionName": "run",
        "DurationSeconds": 900,
        "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
    }


def test_query_violations_are_a_validation_error() -> None:
    """The query protocol says ValidationError where JSON says ValidationException."""
    model = operation_model("sts", "AssumeRole")
    assert model is not None
    with pytest.raises(AwsError, match="at 'roleSessionName'") as caught:
        validated(model, {"RoleArn": "arn:aws:iam::123456789012:role/team", "RoleSessionName": "a b"}, "query")
    assert caught.value.code == "ValidationError"


def test_query_errors_are_xml(local: Local) -> None:
    """STS refuses in XML, with the message escaped."""
    form = {"CONTENT_TYPE": "application/x-www-form-urlencoded; charset=utf-8"}
    form["HTTP_AUTHORIZATION"] = "AWS4-HMAC-SHA256 Credential=A<B/20260101/eu-central-1/sts/aws4_request"
    status, _, body = wsgi(local.app, "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", form)
    root = ElementTree.fromstring(body)
    assert status == 403
    assert [element.text for element in root.iter() if element.tag.endswith("Code")] == ["InvalidClientTokenId"]


def test_head_errors_have_no_body(local: Local) -> None:
    """A body after HEAD would be taken for the next answer of the connection."""
    signed = {"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=NOBODY/20260101/eu-central-1/s3/aws4_request"}
    status, headers, body = wsgi(local.app, "HEAD", "/bucket/key", b"", signed)
    assert (status, headers["Content-Length"], body) == (403, "0", b"")


@pytest.mark.parametrize(
    ("operation", "thing"),
    [
        ("CreateTrainingJob", "TrainingJob"),
        ("BatchStopJobRun", "JobRun"),
        ("ListModelPackages", "ModelPackages"),
        ("DescribeEndpointConfig", "EndpointConfig"),
    ],
)
def test_noun_of_an_operation(operation: str, thing: str) -> None:
    """The resource kind is the operation without its verb."""
    assert noun(operation) == thing


@pytest.mark.parametrize(
    ("service", "operation", "member"),
    [
        ("sagemaker", "CreateTrainingJob", "TrainingJobName"),
        ("sagemaker", "CreateModelPackage", "ModelPackageName"),
        ("sagemaker", "AddTags", "ResourceArn"),
        ("glue", "CreateJob", "Name"),
        ("glue", "StartJobRun", "JobName"),
        ("sts", "AssumeRole", "RoleArn"),
        ("sqs", "SendMessage", "QueueUrl"),
        ("events", "PutRule", "Name"),
    ],
)
def test_the_member_that_names_the_resource(service: str, operation: str, member: str) -> None:
    """The ledger and the scripted failures go by the resource's name."""
    assert name_members(service, operation)[0] == member


def test_s3_objects_survive_the_fall_through(local: Local) -> None:
    """Names with spaces and plus signs, versions and metadata come back as sent."""
    client = local.client("s3")
    client.create_bucket(Bucket="frame-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    versioned = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket="frame-bucket", VersioningConfiguration=versioned)
    put = client.put_object(Bucket="frame-bucket", Key="a b/c+d é", Body=b"data", Metadata={"k": "v"})
    got = client.get_object(Bucket="frame-bucket", Key="a b/c+d é", VersionId=put["VersionId"])
    assert (got["Body"].read(), got["Metadata"]) == (b"data", {"k": "v"})
    assert local.world.ledger.entries()[-1].resource == "frame-bucket/a b/c+d é"
