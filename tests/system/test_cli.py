"""plan and logs against the running stack: they read, and write nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.system.stack import OPERATOR_USER, Stack


def _command(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        **stack.sandbox.environment(),
        "AWS_ACCESS_KEY_ID": "LOCALOPERATOR",
        "SAGEMAKER_GITOPS_INSTALL_ID": "sandbox",
    }
    return subprocess.run(
        [sys.executable, "-m", "sagemaker_gitops", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_plan_tells_what_an_edit_would_call_and_calls_nothing(stack: Stack, tmp_path: Path) -> None:
    """A finished run: nothing. Its hyperparameters edited in the file: one training job, and the diff."""
    manifest = stack.run("planned")
    stack.ended("planned")
    path = tmp_path / "run.json"
    path.write_text(json.dumps(manifest))
    planned: list[subprocess.CompletedProcess[str]] = []
    created = stack.created_by(lambda: planned.append(_command(stack, "plan", str(path))))
    assert "would call nothing" in planned[0].stdout, planned[0].stderr
    manifest["spec"]["train"]["hyperparameters"] = {"depth": 3}
    path.write_text(json.dumps(manifest))
    writes = len(stack.operator_writes("planned"))
    created += stack.created_by(lambda: planned.append(_command(stack, "plan", str(path))))
    assert "would call sagemaker:CreateTrainingJob" in planned[1].stdout, planned[1].stderr
    assert "+    depth: 3" in planned[1].stdout
    assert not created
    assert len(stack.operator_writes("planned")) == writes, OPERATOR_USER


def test_plan_of_something_that_aws_already_has_reuses_it(stack: Stack, tmp_path: Path) -> None:
    """The object is gone from the cluster, its job is not gone from AWS."""
    manifest = stack.run("reused")
    stack.ended("reused")
    stack.delete("reused")
    path = tmp_path / "run.json"
    path.write_text(json.dumps(manifest))
    done = _command(stack, "plan", "-o", "json", str(path))
    planned = json.loads(done.stdout)[0]
    assert planned["calls"] == []
    assert planned["steps"][0]["state"] == "Succeeded"


def test_logs_prints_what_the_script_wrote(stack: Stack) -> None:
    """The step's log, from CloudWatch Logs."""
    stack.run("logged", files={"train.py": "print('a line of the script')\n"})
    stack.ended("logged")
    done = _command(stack, "logs", "-f", "logged", "-n", "team-a")
    assert "a line of the script" in done.stdout, done.stderr
    assert _command(stack, "logs", "absent", "-n", "team-a").stderr.startswith("error: there is no TrainingRun absent")
