"""A TrainingRun on the real API server and the local AWS: what users see when it works, and when it does not."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import Any

import pytest

from tests.system.stack import EVALUATE, PREPARE, SKLEARN, TRAIN, Stack, condition


@pytest.mark.capability("A2", "A3", "C2", "C4", "C5")
def test_the_smallest_run_succeeds_and_is_ready(stack: Stack) -> None:
    """source, one input, train: one training job, Ready, and provenance in status."""
    created = stack.created_by(lambda: (stack.run("smallest"), stack.ended("smallest")))
    status = stack.status("smallest")
    assert status["phase"] == "Succeeded"
    assert created == Counter({"sagemaker:CreateTrainingJob": 1})
    assert condition(status, "Ready")["status"] == "True"
    assert not condition(status, "Reconciling")
    assert not condition(status, "Stalled")
    assert status["provenance"]["inputs"][0]["objects"] == 1
    stack.sandbox.kubectl("wait", "--for=condition=Ready", "tr/smallest", "-n", "team-a", "--timeout=5s")


@pytest.mark.capability("C3")
def test_a_training_script_that_raises_is_stalled_with_reason_exit_code_and_log(stack: Stack) -> None:
    """The failure is in status as AWS words it, with the exit code and the last log lines."""
    stack.run("raises", files={"train.py": "print('before')\nraise ValueError('the data is wrong')\n"})
    status = stack.ended("raises")
    assert status["phase"] == "Failed"
    assert condition(status, "Stalled")["reason"] == "AlgorithmError"
    assert condition(status, "Ready")["status"] == "False"
    assert status["failure"]["exitCode"] == 1
    assert "the data is wrong" in status["failure"]["message"] + " ".join(status["failure"]["logTail"])
    assert any("before" in line for line in status["failure"]["logTail"])
    waited = subprocess.run(
        [stack.sandbox.kubectl_path, "--kubeconfig", str(stack.sandbox.kubeconfig), "wait", "--for=condition=Ready", "tr/raises",
         "-n", "team-a", "--timeout=1s"], capture_output=True, check=False,
    )  # fmt: skip
    assert waited.returncode != 0


@pytest.mark.capability("B5")
def test_a_glue_script_that_raises_is_stalled_with_its_message(stack: Stack) -> None:
    """The Glue run's ErrorMessage and log, and no training."""
    files = {"prepare.py": "raise KeyError('no such column')\n", "train.py": TRAIN}
    prepare = {"glue": {"script": "prepare.py", "outputs": ["train"]}}
    train = {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]}
    created = stack.created_by(lambda: (stack.run("glue-raises", files=files, prepare=prepare, train=train), stack.ended("glue-raises")))
    status = stack.status("glue-raises")
    assert status["phase"] == "Failed"
    assert "no such column" in status["failure"]["message"] + " ".join(status["failure"]["logTail"])
    assert status["failure"]["step"] == "prepare"
    assert created["sagemaker:CreateTrainingJob"] == 0


@pytest.mark.capability("C13")
def test_a_missing_metric_fails_the_gate(stack: Stack) -> None:
    """Nothing is registered, and the message says which metrics there are."""
    evaluate = {"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["raw"]}}
    stack.run(
        "no-metric",
        files={"train.py": TRAIN, "evaluate.py": EVALUATE},
        evaluate=evaluate,
        gates=[{"metric": "f1", "operator": ">=", "value": 0.5}],
        register={"group": "no-metric"},
    )
    status = stack.ended("no-metric")
    assert status["phase"] == "GateRejected"
    assert condition(status, "GatePassed")["status"] == "False"
    assert "f1 is missing; the evaluation wrote: accuracy" in condition(status, "GatePassed")["message"]
    assert condition(status, "Stalled")["status"] == "True"


def test_nan_fails_the_gate(stack: Stack) -> None:
    """A NaN is never better than anything."""
    evaluate = {"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["raw"]}}
    script = EVALUATE.replace("0.9", "float('nan')")
    gates = [{"metric": "accuracy", "operator": ">=", "value": 0.0}]
    stack.run("nan", files={"train.py": TRAIN, "evaluate.py": script}, evaluate=evaluate, gates=gates)
    status = stack.ended("nan")
    assert status["phase"] == "GateRejected"
    assert "nan" in condition(status, "GatePassed")["message"]


@pytest.mark.capability("A1", "B10", "E5", "E12")
def test_an_edit_of_one_script_runs_its_step_and_those_after_it_only(stack: Stack) -> None:
    """evaluate.py edited: no training; train.py edited: no Glue run; a comment in a label: nothing."""
    files = {"prepare.py": PREPARE, "train.py": TRAIN, "evaluate.py": EVALUATE}
    parts = {
        "uri": stack.data(),
        "prepare": {"glue": {"script": "prepare.py", "outputs": ["train"]}},
        "train": {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]},
        "evaluate": {"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["train"]}},
    }

    def applied(changed: dict[str, str]) -> Counter[str]:
        before = stack.status("edits").get("specHash") if changed != files else None

        def work() -> None:
            stack.run("edits", files=changed, **parts)
            stack.until("edits", lambda status: status.get("phase") == "Succeeded" and status["specHash"] != before)

        return stack.created_by(work)

    assert applied(files) == {
        "glue:CreateJob": 1, "glue:StartJobRun": 1, "sagemaker:CreateTrainingJob": 1, "sagemaker:CreateProcessingJob": 1,
    }  # fmt: skip
    assert applied(files | {"evaluate.py": EVALUATE + "# edited\n"}) == {"sagemaker:CreateProcessingJob": 1}
    assert applied(files | {"evaluate.py": EVALUATE + "# edited\n", "train.py": TRAIN + "# edited\n"}) == {
        "sagemaker:CreateTrainingJob": 1, "sagemaker:CreateProcessingJob": 1,
    }  # fmt: skip


def test_deletion_stops_what_runs_and_leaves_nothing(stack: Stack) -> None:
    """A running job is stopped before the object goes."""
    stack.run("deleted", files={"train.py": "import time\ntime.sleep(600)\n"})
    stack.until("deleted", lambda status: status.get("phase") == "Running")
    name = stack.status("deleted")["steps"][0]["awsName"]
    stack.delete("deleted")
    job = stack.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Stopped"


def test_retain_deletes_the_object_and_touches_nothing(stack: Stack) -> None:
    """deletionPolicy: Retain makes no AWS call at all. The sweep may list meanwhile: it asks for all runs of the tenant."""
    stack.run("retained", files={"train.py": "import time\ntime.sleep(20)\n"}, deletionPolicy="Retain")
    stack.wait_for_call("retained", "CreateTrainingJob")
    before = stack.calls_for("retained")
    stack.delete("retained")
    assert [call for call in stack.calls_for("retained")[len(before) :] if not call.startswith("List")] == []


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("foreign-role", {"executionRoleArn": "arn:aws:iam::123456789012:role/team-b/training"}, "allows executionRoleArns"),
        ("foreign-type", {"train": {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["raw"],
                                    "resources": {"instanceType": "ml.c5.xlarge"}}}, "allows instanceTypes"),
        ("bad-override", {"overrides": {"createTrainingJob": {"RetryStrategy": {"MaximumRetryAttempts": 99}}}}, "at most 30 allowed"),
        ("no-entry", {"train": {"framework": SKLEARN, "entryPoint": "absent.py", "channels": ["raw"]}}, "absent.py is not in the source"),
    ],
)  # fmt: skip
def test_what_may_not_be_is_refused_before_any_job(stack: Stack, name: str, spec: dict[str, Any], words: str) -> None:
    """Stalled with the field and the fix; nothing is created."""
    created = stack.created_by(lambda: (stack.run(name, **spec), stack.ended(name)))
    status = stack.status(name)
    assert words in condition(status, "Stalled")["message"], json.dumps(status)
    assert created == Counter()


def test_writes_of_a_run_are_few(stack: Stack) -> None:
    """Finalizer, intent, end: three writes for a run of one step (reference/performance.md G7: at most six)."""
    stack.run("writes")
    stack.ended("writes")
    writes = stack.operator_writes("writes")
    assert len(writes) <= 3, writes
    assert all(event.code == 200 for event in writes)
