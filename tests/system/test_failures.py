"""What goes wrong between us and AWS: capacity, spot, rights, throttling, lost answers, lost events, lost status."""

from __future__ import annotations

import time
from collections import Counter

from tests.system.stack import EVALUATE, PREPARE, ROLE, SKLEARN, TRAIN, Stack, condition

NO_CAPACITY = "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
RETRY = {"maxAttempts": 2, "onErrors": ["CapacityError", "SpotInterruption"]}
TRAIN_STEP = {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["raw"]}
GLUE = {
    "prepare": {"glue": {"script": "prepare.py", "outputs": ["train"]}},
    "train": {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]},
}
GLUE_FILES = {"prepare.py": PREPARE, "train.py": TRAIN}


def test_no_capacity_is_tried_again_under_another_name(stack: Stack) -> None:
    """Each attempt is a job of its own, and status says which one it was."""
    stack.aws.fail_jobs(job="TrainingJob", reason=NO_CAPACITY, name="capacity-train")
    created = stack.created_by(lambda: (stack.run("capacity", train=TRAIN_STEP | {"retry": RETRY}), stack.ended("capacity")))
    status = stack.status("capacity")
    assert status["phase"] == "Succeeded"
    assert status["steps"][0]["attempt"] == 2
    assert created == Counter({"sagemaker:CreateTrainingJob": 2})


def test_attempts_are_capped_and_a_restart_does_not_reset_them(stack: Stack) -> None:
    """After maxAttempts the run has failed, with AWS's reason; a wiped status counts from AWS and starts nothing."""
    stack.aws.fail_jobs(job="TrainingJob", reason=NO_CAPACITY, name="capped-train", times=2)
    stack.run("capped", train=TRAIN_STEP | {"retry": RETRY})
    status = stack.ended("capped")
    assert (status["phase"], condition(status, "Stalled")["reason"]) == ("Failed", "CapacityError")
    assert "Unable to provision" in status["failure"]["message"]

    def wipe() -> None:
        stack.wipe_status("capped")
        stack.until("capped", lambda status: status.get("phase") == "Failed")

    assert stack.created_by(wipe) == Counter()


def test_an_error_of_the_script_is_not_tried_again(stack: Stack) -> None:
    """retry covers what is not the user's fault only."""
    stack.run("own-fault", files={"train.py": "raise SystemExit(3)\n"}, train=TRAIN_STEP | {"retry": RETRY})
    status = stack.ended("own-fault")
    assert (status["phase"], status["failure"]["exitCode"]) == ("Failed", 3)
    assert stack.accepted("own-fault", "CreateTrainingJob") == 1


def test_spot_capacity_that_is_taken_away_is_tried_again_from_the_checkpoint(stack: Stack) -> None:
    """The request asks for spot and a checkpoint folder that the next attempt finds again."""
    script = (
        "import os, pathlib, time\n"
        "folder = pathlib.Path('/opt/ml/checkpoints')\n"
        "if not (folder / 'epoch').exists():\n"
        "    (folder / 'epoch').write_text('1')\n"
        "    time.sleep(600)\n"
    )
    stack.aws.fail_jobs(job="TrainingJob", reason="SpotInterruption", name="spot-train")
    resources = {"spot": {"maxWait": "2h", "checkpoints": True}}
    train = TRAIN_STEP | {"retry": RETRY, "resources": resources, "maxRuntime": "1h"}
    stack.run("spot", files={"train.py": script + TRAIN}, train=train)
    assert stack.ended("spot")["phase"] == "Succeeded"
    job = stack.describe_job("spot")
    assert stack.status("spot")["steps"][0]["attempt"] == 2
    assert job["EnableManagedSpotTraining"] is True
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    assert job["CheckpointConfig"]["S3Uri"].startswith("s3://team-a-ml/artifacts/")


def test_a_denied_action_is_named_and_goes_on_when_it_is_granted(stack: Stack) -> None:
    """Stalled with AWS's own sentence; once the right is there a person asks for another look."""
    stack.aws.deny(ROLE.rpartition("/")[2], "sagemaker:CreateTrainingJob")
    try:
        stack.run("denied")
        status = stack.until("denied", lambda status: bool(condition(status, "Stalled")))["status"]
    finally:
        stack.aws.admin("DELETE", "deny")
    assert condition(status, "Stalled")["reason"] == "AccessDeniedException"
    assert "sagemaker:CreateTrainingJob" in condition(status, "Stalled")["message"]
    stack.annotate("denied", reconcile_requested_at="now")
    assert stack.ended("denied", 30)["phase"] == "Succeeded"
    assert stack.accepted("denied", "CreateTrainingJob") == 1


def test_throttling_delays_and_loses_nothing(stack: Stack) -> None:
    """Every run is created once, however often AWS says Rate exceeded."""
    names = [f"throttled-{number}" for number in range(4)]
    stack.aws.admin("PUT", "faults/throttle", {"service": "sagemaker", "operation": "CreateTrainingJob", "rate": 0.5, "burst": 1})
    try:
        for name in names:
            stack.run(name)
        assert [stack.ended(name)["phase"] for name in names] == ["Succeeded"] * 4
    finally:
        stack.aws.admin("DELETE", "faults")
    assert [stack.accepted(name, "CreateTrainingJob") for name in names] == [1] * 4


def test_a_create_whose_answer_is_lost_is_found_and_not_repeated(stack: Stack) -> None:
    """Training, processing and registration by their names."""
    for operation in ("CreateTrainingJob", "CreateProcessingJob", "CreateModelPackage"):
        stack.aws.script(operation=operation, kind="accept-then-drop")
    evaluate = {"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["raw"]}}
    files = {"train.py": TRAIN, "evaluate.py": EVALUATE}
    register = {"group": "lost-answers", "approval": "Auto"}
    stack.run("lost", files=files, evaluate=evaluate, register=register)
    assert stack.ended("lost")["phase"] == "Succeeded"
    for operation in ("CreateTrainingJob", "CreateProcessingJob", "CreateModelPackage"):
        assert stack.accepted("lost", operation) == 1, operation


def test_a_glue_run_whose_answer_is_lost_is_found_by_its_token(stack: Stack) -> None:
    """StartJobRun has no idempotency key; one run all the same."""
    stack.aws.script(operation="StartJobRun", kind="accept-then-drop")
    stack.run("glue-lost", files=GLUE_FILES, **GLUE)
    assert stack.ended("glue-lost")["phase"] == "Succeeded"
    assert stack.accepted("glue-lost", "StartJobRun") == 1


def test_an_internal_error_of_aws_is_tried_again(stack: Stack) -> None:
    """A create that AWS refused for no reason of ours is repeated under the same name."""
    stack.aws.script(operation="CreateTrainingJob", kind="error", resource="internal-train", status=500)
    stack.run("internal")
    assert stack.ended("internal")["phase"] == "Succeeded"
    assert stack.accepted("internal", "CreateTrainingJob") == 1


def test_a_status_that_somebody_wiped_is_made_again_without_a_create(stack: Stack) -> None:
    """Status is a view of AWS: it can be lost at any time, during the run and after it."""
    stack.run("wiped", files={"train.py": "import time\ntime.sleep(2)\n" + TRAIN})
    stack.wait_for_call("wiped", "CreateTrainingJob")
    stack.wipe_status("wiped")
    stack.ended("wiped")
    stack.wipe_status("wiped")
    stack.until("wiped", lambda status: status.get("phase") == "Succeeded")
    assert stack.accepted("wiped", "CreateTrainingJob") == 1


def test_lost_events_are_made_up_for_by_the_sweep(stack: Stack) -> None:
    """Without a single event the List sweep finds the end of the job; nothing is described in a loop."""
    stack.aws.admin("PUT", "faults/events", {"drop": 1.0})
    try:
        stack.run("unheard", files={"train.py": "import time\ntime.sleep(1)\n" + TRAIN})
        assert stack.ended("unheard", 90)["phase"] == "Succeeded"
    finally:
        stack.aws.admin("DELETE", "faults")
    assert stack.calls_for("unheard").count("DescribeTrainingJob") <= 2


def test_at_rest_nothing_is_called_and_nothing_written(stack: Stack) -> None:
    """Every run has ended: two sweeps long there is no AWS call of the tenant's role and no write of ours."""
    stack.run("rest")
    stack.ended("rest")
    stack.quiet()
    position, writes = stack.ledger.position(), len(stack.all_writes())
    time.sleep(20)
    entries = stack.aws.ledger(since=position, limit=1_000_000)
    mine = [entry["operation"] for entry in entries if entry["role"] == stack.role and entry["sessionTags"].get("kind") != "ModelEndpoint"]
    assert mine == []
    assert len(stack.all_writes()) == writes
