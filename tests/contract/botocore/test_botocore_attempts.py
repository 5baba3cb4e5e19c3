"""botocore sends a mutation again by itself unless it is told not to: Glue's StartJobRun has no idempotency key, each one costs money.

This suite turns red when a new botocore reads total_max_attempts differently, or when somebody takes it out of the operator's CONFIG.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.endpoint
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.loaders import Loader

from sagemaker_gitops.aws.clients import CONFIG
from tests.contract.botocore.botocore_wire import RESET, SILENT, Wire

IMPATIENT = Config(read_timeout=0.1)
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "StartJobRun": ("glue", "start_job_run", {"JobName": "job", "Arguments": {"--run-token": "t"}}),
    "CreateTrainingJob": (
        "sagemaker",
        "create_training_job",
        {
            "TrainingJobName": "team-a-digits-train-k1",
            "RoleArn": "arn:aws:iam::111122223333:role/exec",
            "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
    ),
}
TROUBLES = [
    pytest.param(SILENT, ReadTimeoutError, id="read timeout"),
    pytest.param(RESET, ConnectionClosedError, id="reset"),
    pytest.param(500, ClientError, id="500"),
    pytest.param(503, ClientError, id="503"),
]


@functools.cache
def models() -> Loader:
    """Read from disk once."""
    return Loader()


def attempts(wire: Wire, operation: str, config: Config, expected: type[Exception]) -> int:
    """How many requests one call of `operation` sends before it fails."""
    service, method, parameters = CALLS[operation]
    session = boto3.session.Session("AKIDTEST", "s", region_name="eu-west-1")
    session._session.register_component("data_loader", models())
    client = session.client(service, endpoint_url=wire.url, config=config)
    with pytest.raises(expected):
        getattr(client, method)(**parameters)
    assert {sent.operation for sent in wire.sent} == {operation}
    return len(wire.sent)


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's pauses between attempts take no time."""
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.mark.parametrize("operation", sorted(CALLS))
@pytest.mark.parametrize(("trouble", "expected"), TROUBLES)
@pytest.mark.usefixtures("_no_pauses")
def test_the_operator_sends_a_mutation_once(wire: Wire, operation: str, trouble: int, expected: type[Exception]) -> None:
    """Whatever becomes of the answer; a second attempt is the queue's, after a look."""
    wire.trouble = trouble
    assert attempts(wire, operation, CONFIG.merge(IMPATIENT), expected) == 1


@pytest.mark.parametrize("operation", sorted(CALLS))
@pytest.mark.parametrize(("trouble", "expected"), TROUBLES)
@pytest.mark.usefixtures("_no_pauses")
def test_botocore_alone_would_send_it_again(wire: Wire, operation: str, trouble: int, expected: type[Exception]) -> None:
    """Without this the setting, and the test above, would prove nothing."""
    wire.trouble = trouble
    assert attempts(wire, operation, IMPATIENT, expected) > 1


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize(("trouble", "expected"), TROUBLES)
@pytest.mark.usefixtures("_no_pauses")
def test_no_variable_brings_the_retries_back(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, mode: str, trouble: int, expected: type[Exception]
) -> None:
    """A platform team's AWS_MAX_ATTEMPTS and AWS_RETRY_MODE in the pod do not count."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", mode)
    wire.trouble = trouble
    assert attempts(wire, "StartJobRun", CONFIG.merge(IMPATIENT), expected) == 1


@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.usefixtures("_no_pauses")
def test_the_variables_work_where_nothing_is_set(wire: Wire, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Otherwise the test above would not notice."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")
    monkeypatch.setenv("AWS_RETRY_MODE", mode)
    wire.trouble = 500
    assert attempts(wire, "StartJobRun", IMPATIENT, ClientError) == 4


def test_the_patience_of_the_operator_is_bounded() -> None:
    """A call that is never answered gives its thread back."""
    assert 0 < CONFIG.connect_timeout <= 10
    assert 0 < CONFIG.read_timeout <= 60
