"""Mistakes that no schema sees: the API server takes them, and the operator says what and where before any AWS call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.system.spec_cases import cases
from tests.system.stack import SKLEARN, Stack, condition

CODE_ONLY = [case for case in cases.refused() if case.kind == "TrainingRun" and case.server is None]
TRAIN_STEP = {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["raw"]}
OTHER_KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def _train(**changes: Any) -> dict[str, Any]:
    return {"train": TRAIN_STEP | changes}


def _override(**members: Any) -> dict[str, Any]:
    return {"overrides": {"createTrainingJob": members}}


REFUSED: list[tuple[str, dict[str, Any], str, list[str]]] = [
    ("no-such-version", _train(framework={"name": "sklearn", "version": "99.9"}), "InvalidSpec", ["spec.train.framework", "99.9"]),
    ("no-such-framework", _train(framework={"name": "fortran", "version": "77"}), "InvalidSpec", ["fortran"]),
    ("unknown-member", _override(RetryStategy={}), "InvalidRequest", ["RetryStategy", "is not a member of"]),
    ("wrong-enum", _override(OutputDataConfig={"CompressionType": "ZIP"}), "InvalidRequest", ["ZIP", "GZIP"]),
    ("wrong-type", _override(EnableNetworkIsolation="yes"), "InvalidRequest", ["must be true or false"]),
    ("other-bucket", _override(OutputDataConfig={"S3OutputPath": "s3://other/"}), "TenantPolicy", ["s3://other/"]),
    ("too-many", _train(resources={"instanceCount": 9}), "TenantPolicy", ["limits.maxInstanceCount: 8"]),
    ("too-long", _train(maxRuntime="48h"), "TenantPolicy", ["limits.maxRuntime"]),
    ("other-key", {"kmsKeyArn": OTHER_KEY}, "TenantPolicy", ["spec.kmsKeyArn"]),
]


@pytest.mark.parametrize("case", CODE_ONLY, ids=lambda case: case.id)
def test_what_only_code_sees_is_told_in_the_same_words(stack: Stack, case: Any) -> None:
    """Stalled with the words that lint uses, and not one call."""
    name = f"case-{case.id}"[:60]
    manifest = stack.manifest(name)
    stack.apply(manifest | {"spec": case.spec})
    status = stack.until(name, lambda status: condition(status, "Stalled").get("reason") == "InvalidSpec")["status"]
    assert case.message in condition(status, "Stalled")["message"]
    assert case.path in condition(status, "Stalled")["message"]
    assert status["phase"] == "Invalid"
    assert stack.calls_for(name) == []


@pytest.mark.parametrize(("name", "spec", "reason", "words"), REFUSED, ids=[each[0] for each in REFUSED])
def test_what_the_tenant_or_aws_would_refuse_is_told_first(
    stack: Stack, name: str, spec: Mapping[str, Any], reason: str, words: list[str]
) -> None:
    """The reason says who forbids it, the message where it stands; nothing is created."""
    stack.run(name, **spec)
    status = stack.until(name, lambda status: bool(condition(status, "Stalled")))["status"]
    assert condition(status, "Stalled")["reason"] == reason
    for each in words:
        assert each in condition(status, "Stalled")["message"]
    assert not {call for call in stack.calls_for(name) if call.startswith(("Create", "Start", "Put"))}


def test_a_corrected_spec_goes_on(stack: Stack) -> None:
    """Stalled ends with the edit that mends it."""
    stack.run("mended", train=TRAIN_STEP | {"maxRuntime": "48h"})
    stack.until("mended", lambda status: bool(condition(status, "Stalled")))
    stack.run("mended", train=TRAIN_STEP | {"maxRuntime": "1h"})
    assert stack.ended("mended")["phase"] in ("Succeeded", "Invalid")
    status = stack.until("mended", lambda status: status.get("phase") == "Succeeded")["status"]
    assert not condition(status, "Stalled")


def test_a_data_set_that_is_not_there_is_waited_for(stack: Stack) -> None:
    """An empty prefix is no mistake for ever: the condition says what is missing, and the run starts once it is there."""
    stack.run("no-data", uri="s3://team-a-ml/raw/not-yet/")
    status = stack.until("no-data", lambda status: condition(status, "Reconciling").get("reason") == "InputMissing")["status"]
    assert "s3://team-a-ml/raw/not-yet/ holds no object" in condition(status, "Ready")["message"]
    stack.client("s3").put_object(Bucket="team-a-ml", Key="raw/not-yet/data.csv", Body=b"1\n")
    stack.annotate("no-data", reconcile_requested_at="now")
    assert stack.ended("no-data", 30)["phase"] == "Succeeded"
