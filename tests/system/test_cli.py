"""plan and logs against the running stack: they read, and write nothing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from local_cluster.audit import read_audit_log
from sagemaker_gitops.cli.kubectl_yaml import documents
from tests.system.stack import OPERATOR_USER, Stack
from tests.unit.cli.test_kubectl_yaml import READINGS


def test_plan_tells_what_an_edit_would_call_and_calls_nothing(stack: Stack, tmp_path: Path) -> None:
    """A finished run: nothing. Its hyperparameters edited in the file: one training job, and the diff."""
    manifest = stack.run("planned")
    stack.ended("planned")
    path = tmp_path / "run.json"
    path.write_text(json.dumps(manifest))
    planned: list[subprocess.CompletedProcess[str]] = []
    created = stack.created_by(lambda: planned.append(stack.command("plan", str(path))))
    assert "would call nothing" in planned[0].stdout, planned[0].stderr
    manifest["spec"]["train"]["hyperparameters"] = {"depth": 3}
    path.write_text(json.dumps(manifest))
    writes = len(stack.operator_writes("planned"))
    created += stack.created_by(lambda: planned.append(stack.command("plan", str(path))))
    assert "would call sagemaker:CreateTrainingJob" in planned[1].stdout, planned[1].stderr
    assert "train     would run" in planned[1].stdout
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
    done = stack.command("plan", "-o", "json", str(path))
    planned = json.loads(done.stdout)[0]
    assert planned["calls"] == []
    assert planned["steps"][0]["state"] == "Succeeded"
    assert planned["steps"][0]["what"] == "reused"


def test_logs_prints_what_the_script_wrote(stack: Stack) -> None:
    """The step's log, from CloudWatch Logs."""
    stack.run("logged", files={"train.py": "print('a line of the script')\n"})
    stack.ended("logged")
    done = stack.command("logs", "-f", "logged", "-n", "team-a")
    assert "a line of the script" in done.stdout, done.stderr
    assert stack.command("logs", "absent", "-n", "team-a").stderr.startswith("error: there is no TrainingRun absent")


def test_logs_as_json_is_one_object_a_line(stack: Stack) -> None:
    """For programs, also while the log still grows."""
    stack.run("logged-json", files={"train.py": "print('first')\nprint('second')\n"})
    stack.ended("logged-json")
    done = stack.command("logs", "logged-json", "-n", "team-a", "--step", "train", "-o", "json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [item["line"] for item in lines if item["line"] in ("first", "second")] == ["first", "second"]
    assert {item["step"] for item in lines} == {"train"}
    assert "steps with one: train" in stack.command("logs", "logged-json", "-n", "team-a", "--step", "prepare").stderr


def test_no_command_that_looks_writes_to_the_cluster(stack: Stack, tmp_path: Path) -> None:
    """plan of an object that does not exist yet: the audit log knows no write, the cluster no object."""
    manifest = stack.run("unwritten")
    stack.ended("unwritten")
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**manifest, "metadata": {"name": "not-there", "namespace": "team-a"}}))
    created = stack.created_by(lambda: stack.command("plan", str(path)))
    audit = read_audit_log(stack.sandbox.kubeconfig.parent / "audit.log")
    assert not created
    assert not [event for event in audit if event.name == "not-there" and event.is_write]


def test_yaml_is_read_as_the_real_kubectl_reads_it(stack: Stack, tmp_path: Path) -> None:
    """The whole table of tests/unit/cli/test_kubectl_yaml.py against `kubectl annotate --local`."""
    path = tmp_path / "all.yaml"
    spec = "".join(
        f"  v{number}: {text}\n".replace("&x", f"&x{number}").replace("*x", f"*x{number}") for number, text in enumerate(READINGS)
    )
    path.write_text(f"apiVersion: sagemaker-gitops.dev/v1alpha1\nkind: TrainingRun\nmetadata: {{name: a}}\nspec:\n{spec}")
    printed = stack.sandbox.kubectl("annotate", "--local", "-f", str(path), "a=b", "-o", "json")
    answer = json.loads(printed, parse_int=lambda text: int(text) if -(2**63) <= int(text) < 2**63 else float(text))["spec"]
    ((_, read),) = documents(path.read_text())
    assert json.dumps(read["spec"], sort_keys=True) == json.dumps(answer, sort_keys=True)
