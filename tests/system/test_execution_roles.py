"""docs/iam against the ledger: what jobs and endpoints do under their roles is allowed, and nothing that they ask for is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sagemaker_gitops.cli.local_account import ACCOUNT, REGION, SEED
from sagemaker_gitops.cli.sandbox import ROOT, Sandbox
from tests.system.conftest import allowed
from tests.system.endpoints import Endpoints, pinned, serves
from tests.system.stack import EVALUATE, PREPARE, SKLEARN, TRAIN, Stack

SERVICES = ["sagemaker.amazonaws.com", "glue.amazonaws.com"]
RUNS, SERVING = "runs", "serving"
POLICIES = {RUNS: ("training", "glue"), SERVING: ("endpoint",)}
ALARM = "roles-complaints"


def _arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/team-a/{role}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The roles as docs/install.md has them made: one for runs, one for endpoints; the Tenant's default role does not exist."""
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        found = Stack(sandbox)
        found.aws.add_role(**SEED["roles"][0], allow=allowed("tenant"))
        for role, names in POLICIES.items():
            found.aws.add_role(name=f"team-a/{role}", trust={"principals": SERVICES}, allow=allowed(*names))
        yield found


def _called(stack: Stack, role: str) -> list[dict[str, Any]]:
    return [entry for entry in stack.aws.ledger(limit=1_000_000) if entry["role"] == _arn(role)]


def _actions(entries: list[dict[str, Any]]) -> set[str]:
    renamed = {"s3:ListObjectsV2": "s3:ListBucket", "s3:HeadObject": "s3:GetObject"}
    names = {f"{entry['service']}:{entry['operation']}" for entry in entries}
    return {renamed.get(name, name) for name in names}


def test_a_run_does_its_work_with_its_policies(stack: Stack) -> None:
    """Glue reads and writes through S3 itself; every call of a script is in the ledger under the role."""
    stack.run(
        "bounded",
        files={"prepare.py": PREPARE, "train.py": TRAIN, "evaluate.py": EVALUATE},
        executionRoleArn=_arn(RUNS),
        prepare={"glue": {"script": "prepare.py", "outputs": ["train"]}},
        train={"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]},
        evaluate={"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["train"]}},
    )
    assert stack.ended("bounded")["phase"] == "Succeeded"
    called = _called(stack, RUNS)
    assert "s3:PutObject" in _actions(called)
    assert [entry for entry in called if not entry["accepted"]] == []
    assert _actions(called) <= {*allowed(*POLICIES[RUNS])}


def test_a_script_that_does_more_is_refused(stack: Stack) -> None:
    """The proof above proves something: another action of the same script is not allowed."""
    more = PREPARE + '\nboto3.client("s3").delete_object(Bucket=bucket, Key=key + "data.csv")\n'
    stack.run(
        "unbounded",
        files={"prepare.py": more, "train.py": TRAIN},
        executionRoleArn=_arn(RUNS),
        prepare={"glue": {"script": "prepare.py", "outputs": ["train"]}},
        train={"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]},
    )
    status = stack.ended("unbounded")
    assert status["phase"] == "Failed"
    assert "AccessDenied" in json.dumps(status["failure"])


def test_an_endpoint_does_its_work_with_its_policy(stack: Stack) -> None:
    """The model is fetched, what is asked is captured, and the alarms of a rollout are read, all as the role of the endpoint."""
    endpoints = Endpoints(stack)
    stack.aws.admin("PUT", "settings", {"endpoints.captureSeconds": 0.1})
    stack.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        Namespace="team-a",
        MetricName="Complaints",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    for value in (1, 2):
        endpoints.register("served", serves(value))
    capture = {"initialSamplingPercentage": 100, "captureModes": ["Input", "Output"]}
    rollout = {"type": "AllAtOnce", "waitInterval": "1s", "alarms": [ALARM]}
    given = {"executionRoleArn": _arn(SERVING), "dataCapture": capture, "rollout": rollout}
    for version in (1, 2):
        endpoints.apply("served", pinned("served", version), **given)
        endpoints.in_service("served", str(version))
    assert endpoints.ask("served") == "2"


def test_asynchronous_answers_are_announced_with_its_policy(stack: Stack) -> None:
    """A topic of the team is told by the role of the endpoint."""
    endpoints = Endpoints(stack)
    topic = stack.client("sns").create_topic(Name="team-a-answers")["TopicArn"]
    assert f":sns:{REGION}:{ACCOUNT}:team-a-" in topic
    (statement,) = (item for item in _policy("endpoint") if item["Sid"] == "AsyncTopics")
    assert topic.startswith(statement["Resource"][0].removesuffix("*"))
    queue = stack.client("sqs").create_queue(QueueName="team-a-answers")["QueueUrl"]
    queue_arn = stack.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    endpoints.register("announced", serves(3))
    endpoints.apply("announced", pinned("announced", 1), executionRoleArn=_arn(SERVING), **{"async": {"successTopicArn": topic}})
    endpoint = endpoints.in_service("announced")["endpointName"]
    stack.client("s3").put_object(Bucket="team-a-ml", Key="questions/2.csv", Body=b"1")
    stack.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName=endpoint, ContentType="text/csv", InputLocation="s3://team-a-ml/questions/2.csv"
    )
    told = stack.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20).get("Messages", [])
    assert len(told) == 1
    assert "Completed" in told[0]["Body"]


def _policy(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / "docs/iam" / f"{name}.json").read_text())["Statement"]
    return found
