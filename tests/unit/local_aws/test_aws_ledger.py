"""The ledger is the oracle of the tests: every call is in it once, and says what became of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_frame import TEAM, Local, wsgi
from botocore.exceptions import ClientError

from local_aws.ledger import Filter, Ledger, creates, request_hash


def admin(local: Local, path: str) -> dict[str, Any]:
    status, _, body = wsgi(local.app, "GET", f"/_local/{path}")
    assert status == 200
    document: dict[str, Any] = json.loads(body)
    return document


def test_an_entry_says_who_did_what_and_how_it_ended(local: Local) -> None:
    """Caller, role, session tags, operation, resource, outcome and request id."""
    credentials = local.world.identity.mint(TEAM, "run", None, {"namespace": "a"})
    client = local.client("sagemaker", credentials.access_key_id, credentials.session_token)
    answer = client.create_experiment(ExperimentName="ledger-one")
    [entry] = local.world.ledger.entries()
    assert entry.caller == "arn:aws:sts::123456789012:assumed-role/team/run"
    assert (entry.role, entry.session_tags) == (TEAM, {"namespace": "a"})
    assert (entry.service, entry.operation, entry.resource) == ("sagemaker", "CreateExperiment", "ledger-one")
    assert (entry.accepted, entry.answered, entry.error, entry.creating) == (True, True, "", True)
    assert entry.request_id
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "Boto3" in entry.user_agent


def test_a_refusal_keeps_its_error_code(local: Local) -> None:
    """Refused calls are recorded like accepted ones."""
    with pytest.raises(ClientError):
        local.client("sagemaker").create_experiment(ExperimentName="_")
    [entry] = local.world.ledger.entries()
    assert (entry.accepted, entry.error) == (False, "ValidationException")


@pytest.mark.parametrize(
    ("service", "call", "operation", "error"),
    [
        ("s3", lambda c: c.list_buckets(), "ListBuckets", ""),
        ("s3", lambda c: c.list_objects_v2(Bucket="absent"), "ListObjectsV2", "NoSuchBucket"),
        ("s3", lambda c: c.get_bucket_versioning(Bucket="absent"), "GetBucketVersioning", "NoSuchBucket"),
        ("s3", lambda c: c.head_object(Bucket="absent", Key="k"), "HeadObject", "404"),
        ("sqs", lambda c: c.list_queues(), "ListQueues", ""),
        ("events", lambda c: c.describe_rule(Name="absent"), "DescribeRule", "ResourceNotFoundException"),
        ("sns", lambda c: c.list_topics(), "ListTopics", ""),
    ],
)
def test_calls_that_moto_answers_are_recorded_too(local: Local, service: str, call: Any, operation: str, error: str) -> None:
    """With the operation's name and moto's error code."""
    client = local.client(service)
    if error:
        with pytest.raises(ClientError):
            call(client)
    else:
        call(client)
    [entry] = local.world.ledger.entries()
    assert (entry.service, entry.operation, entry.error) == (service, operation, error)


def test_calls_with_internal_credentials_are_not_recorded(local: Local) -> None:
    """What the local AWS does on its own behalf is nobody's call."""
    local.world.client("s3").list_buckets()
    assert local.world.ledger.last == 0


def test_equal_requests_have_equal_hashes(local: Local) -> None:
    """The order of members does not matter, their values do."""
    assert request_hash({"a": 1, "b": {"c": 2}}) == request_hash({"b": {"c": 2}, "a": 1})
    assert request_hash({"a": 1}) != request_hash({"a": 2})


@pytest.mark.parametrize(
    ("service", "operation", "creating"),
    [
        ("sagemaker", "CreateTrainingJob", True),
        ("glue", "StartJobRun", True),
        ("sagemaker", "DescribeTrainingJob", False),
        ("sagemaker", "StopTrainingJob", False),
        ("s3", "CreateMultipartUpload", False),
        ("logs", "CreateLogStream", False),
    ],
)
def test_creating_marks_what_costs_money(service: str, operation: str, creating: bool) -> None:
    """Create and Start calls, but not those that only store bytes."""
    assert creates(service, operation) is creating


def record(ledger: Ledger, operation: str, *, error: str = "", role: str | None = None) -> None:
    ledger.append(
        aws_time=1.0,
        caller="arn:caller",
        role=role,
        session_tags={},
        service="sagemaker",
        operation=operation,
        resource="r",
        request_hash="h",
        accepted=not error,
        answered=True,
        error=error,
        request_id="id",
        user_agent="",
    )


def test_entries_are_numbered_without_gaps() -> None:
    """`since` shows what came after a number, `limit` bounds the answer."""
    ledger = Ledger()
    for name in ("CreateModel", "DescribeModel", "DeleteModel"):
        record(ledger, name)
    assert [entry.sequence for entry in ledger.entries()] == [1, 2, 3]
    assert [entry.operation for entry in ledger.entries(Filter(since=1))] == ["DescribeModel", "DeleteModel"]
    assert [entry.operation for entry in ledger.entries(limit=1)] == ["CreateModel"]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Filter(operation="CreateModel"), 2),
        (Filter(accepted=False), 1),
        (Filter(creating=True, accepted=True), 1),
        (Filter(caller="arn:role"), 1),
        (Filter(caller="arn:caller"), 3),
        (Filter(service="glue"), 0),
        (Filter(resource="r"), 3),
    ],
)
def test_filters(wanted: Filter, count: int) -> None:
    """Every field that is given must fit; a caller is found by ARN or by role."""
    ledger = Ledger()
    record(ledger, "CreateModel")
    record(ledger, "CreateModel", error="ValidationException")
    record(ledger, "DescribeModel", role="arn:role")
    assert len(ledger.entries(wanted)) == count


def test_summary_counts_by_operation() -> None:
    """Calls, accepted, refused and created, in all and for each operation."""
    ledger = Ledger()
    record(ledger, "CreateModel")
    record(ledger, "CreateModel", error="ValidationException")
    record(ledger, "DescribeModel")
    assert ledger.summary() == {
        "last": 3,
        "calls": 3,
        "accepted": 2,
        "refused": 1,
        "created": 1,
        "operations": {
            "sagemaker:CreateModel": {"calls": 2, "accepted": 1, "refused": 1, "created": 1},
            "sagemaker:DescribeModel": {"calls": 1, "accepted": 1},
        },
    }


def test_the_ledger_is_read_over_http(local: Local) -> None:
    """Filters come from the query string; reading leaves no trace."""
    local.client("sqs").list_queues()
    local.client("s3").list_buckets()
    shown = admin(local, "ledger?service=sqs&accepted=true&since=0")
    assert [entry["operation"] for entry in shown["entries"]] == ["ListQueues"]
    assert shown["entries"][0]["awsTime"].endswith("Z")
    assert admin(local, "ledger/summary")["calls"] == 2
    assert admin(local, "ledger?limit=1")["last"] == 2


def test_a_wrong_filter_is_refused_by_name(local: Local) -> None:
    """A typo must not look like an empty ledger."""
    status, _, body = wsgi(local.app, "GET", "/_local/ledger?opration=x")
    assert (status, json.loads(body)["error"][:9]) == (400, "opration:")
    status, _, body = wsgi(local.app, "GET", "/_local/ledger?accepted=yes")
    assert (status, json.loads(body)["error"]) == (400, "accepted: give true or false, not 'yes'")
