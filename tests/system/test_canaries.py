"""Two hundred secrets in every place where people put them, at debug level: none in logs, events, metrics or status."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gitops.cli.sandbox import OPERATOR_SETTINGS, Sandbox
from tests.system.stack import SKLEARN, Stack

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
EACH = 40


def _canaries(kind: str) -> list[str]:
    """Values that occur nowhere else, of letters and digits, as tokens are."""
    return [f"CANARY{kind}{uuid.uuid4().hex}" for _ in range(EACH)]


PLAIN = {kind: _canaries(kind) for kind in ("HYPER", "ENVIRON", "ARGUMENT", "FAILURE", "URI")}
# What a program prints when it fails: the forms in which secrets come.
FORMS = (
    "password={}",
    "aws_secret_access_key = {}",
    "Authorization: Bearer {}",
    "postgresql://user:{}@db.example.com/x",
    "api_key: '{}'",
    '{{"client_secret": "{}"}}',
    "https://bucket.s3.amazonaws.com/x?X-Amz-Signature={}&X-Amz-Expires=60",
    "X-Amz-Security-Token={}",
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox of its own whose operator logs everything and serves its metrics at a known port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = {"SAGEMAKER_GITOPS_LOG_LEVEL": "DEBUG", "SAGEMAKER_GITOPS_HEALTH_ADDRESS": f"127.0.0.1:{port}"}
    with Sandbox(tmp_path_factory.mktemp("canaries"), operator_settings=OPERATOR_SETTINGS | address) as sandbox:
        yield Stack(sandbox)


def _failing() -> str:
    """A training script that prints its secrets and fails with one of them."""
    said = [FORMS[number % len(FORMS)].format(secret) for number, secret in enumerate(PLAIN["FAILURE"])]
    lines = [f"print({text!r})" for text in said]
    return "\n".join([*lines, f"raise RuntimeError({'; '.join(said[:8])!r})"])


def _spoiled(stack: Stack) -> None:
    """One run with everything that admission takes, and those that it refuses."""
    prepare = {
        "processing": {
            "framework": SKLEARN,
            "entryPoint": "prepare.py",
            "channels": ["raw"],
            "arguments": [f"--x{number}={secret}" for number, secret in enumerate(PLAIN["ARGUMENT"])],
            "environment": {f"E{number}": secret for number, secret in enumerate(PLAIN["ENVIRON"])},
        }
    }
    train = {
        "framework": SKLEARN,
        "entryPoint": "train.py",
        "channels": ["raw"],
        "hyperparameters": {f"h{number}": secret for number, secret in enumerate(PLAIN["HYPER"])},
        "environment": {f"U{number}": f"https://user:{secret}@example.com/" for number, secret in enumerate(PLAIN["URI"])},
    }
    stack.run("canaries", files={"train.py": _failing(), "prepare.py": "print()"}, prepare=prepare, train=train)


def _without_own_words(status: Any) -> Any:
    """status without `parameters`: the hyperparameters of each run, for `compare`, as the owner's own spec says them."""
    if isinstance(status, dict):
        return {key: _without_own_words(value) for key, value in status.items() if key != "parameters"}
    return [_without_own_words(item) for item in status] if isinstance(status, list) else status


def _told(stack: Stack, port: str) -> dict[str, str]:
    """Everything that the operator says to anybody."""
    kubectl = stack.sandbox.kubectl
    made: dict[str, Any] = {
        "status": _without_own_words(stack.status("canaries")),
        "events": json.loads(kubectl("get", "events.events.k8s.io", "-A", "-o", "json")),
    }
    logs = Path(stack.sandbox.folder / "operator.log").read_text(errors="replace")
    audit = (stack.sandbox.kubeconfig.parent / "audit.log").read_text(errors="replace")
    metrics = urllib.request.urlopen(f"http://{port}/metrics", timeout=10).read().decode()
    return {name: json.dumps(value) for name, value in made.items()} | {"logs": logs, "audit": audit, "metrics": metrics}


def test_no_secret_is_told(stack: Stack) -> None:
    """A run whose spec, log and failure are full of them."""
    _spoiled(stack)
    status = stack.ended("canaries", 120)
    assert status["phase"] == "Failed"
    assert "RuntimeError" in json.dumps(status)
    told = _told(stack, stack.sandbox.operator_settings["SAGEMAKER_GITOPS_HEALTH_ADDRESS"])
    assert '"DEBUG"' in told["logs"].upper() or '"level": "debug"' in told["logs"].lower()
    assert "sagemaker_gitops_passes" in told["metrics"]
    assert sum(len(secrets) for secrets in PLAIN.values()) == 200
    found = {name: re.findall(r".{0,40}CANARY[A-Z]+", text) for name, text in told.items()}
    assert {name: sorted(set(kinds)) for name, kinds in found.items() if kinds} == {}
