"""Spot capacity, capacity that is missing, checkpoints, and what a source asks to be installed."""

from __future__ import annotations

from typing import Any

from service_kit import BUCKET, Kit, until, wheel

from local_aws.faults import JobFailure

SAVE = "import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'model.txt').write_text('weights')\n"
SAVES_ON_TERM = (
    "import os, pathlib, signal, sys, time\n"
    "def save(*_):\n"
    "    pathlib.Path(os.environ['SM_MODEL_DIR'], 'partial.txt').write_text('saved')\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, save)\n"
    "print('ready', flush=True)\n"
    "while True: time.sleep(0.05)\n"
)


def test_spot_capacity_bills_less_than_it_trains(kit: Kit) -> None:
    """Managed spot training shows a billable time below the training time."""
    condition = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 36000}
    name = kit.train(SAVES_ON_TERM, EnableManagedSpotTraining=True, StoppingCondition=condition)
    kit.in_training(name)
    kit.world.clock.advance(100)
    kit.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = kit.trained(name)
    assert 0 < job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]


def test_a_spot_interruption_can_be_ordered(kit: Kit) -> None:
    """The admin's SpotInterruption takes the capacity away once the process runs."""
    name = kit.name("spot")
    kit.world.settings["spot.interruptionSeconds"] = 0.1
    kit.world.faults.fail_jobs(JobFailure("TrainingJob", "SpotInterruption", name))
    condition = {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3600}
    kit.train(SAVES_ON_TERM, TrainingJobName=name, EnableManagedSpotTraining=True, StoppingCondition=condition)
    job = kit.trained(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Interrupted")


def test_a_spot_job_that_waits_too_long_is_stopped(kit: Kit) -> None:
    """MaxWaitTimeInSeconds counts from the creation, also while capacity is being waited for."""
    kit.world.settings["training.startingSeconds"] = 7200
    condition = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 3600}
    name = kit.train(SAVE, EnableManagedSpotTraining=True, StoppingCondition=condition)
    kit.world.clock.advance(3601)
    assert kit.trained(name)["SecondaryStatus"] == "MaxWaitTimeExceeded"


def test_a_capacity_error_can_be_ordered(kit: Kit) -> None:
    """The next job of that name fails with the ordered reason before it runs; the one after it does not."""
    name = kit.name("capacity")
    kit.world.faults.fail_jobs(JobFailure("TrainingJob", "CapacityError: Unable to provision requested ML compute capacity.", name))
    first = kit.trained(kit.train(SAVE, TrainingJobName=name))
    assert first["FailureReason"] == "CapacityError: Unable to provision requested ML compute capacity."
    kit.client("sagemaker").delete_training_job(TrainingJobName=name)
    assert kit.trained(kit.train(SAVE, TrainingJobName=name))["TrainingJobStatus"] == "Completed"


def test_checkpoints_travel_through_s3(kit: Kit) -> None:
    """Files under CheckpointConfig.S3Uri are there at the start, and new ones are uploaded at the end."""
    prefix = kit.name("checkpoints")
    kit.put(f"{prefix}/old.txt", "old")
    script = (
        "import pathlib\nfolder = pathlib.Path('/opt/ml/checkpoints')\n"
        "(folder / 'new.txt').write_text((folder / 'old.txt').read_text() + '+')\n"
    )
    job = kit.trained(kit.train(script, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/{prefix}"}))
    assert job["TrainingJobStatus"] == "Completed"
    assert kit.read(f"s3://{BUCKET}/{prefix}/new.txt") == b"old+"


def test_checkpoints_are_copied_while_the_job_runs(kit: Kit) -> None:
    """What is taken away without warning has left its checkpoints in S3."""
    prefix = kit.name("checkpoints")
    kit.world.settings["training.checkpointSyncSeconds"] = 0.05
    script = "import pathlib, time\npathlib.Path('/opt/ml/checkpoints/epoch').write_text('1')\ntime.sleep(600)\n"
    name = kit.train(script, CheckpointConfig={"S3Uri": f"s3://{BUCKET}/{prefix}"})
    listed: Any = kit.client("s3").list_objects_v2
    until(lambda: bool(listed(Bucket=BUCKET, Prefix=prefix).get("Contents")), "the first checkpoint")
    assert kit.training(name)["TrainingJobStatus"] == "InProgress"
    kit.client("sagemaker").stop_training_job(TrainingJobName=name)


def test_what_a_source_requires_is_installed_for_its_job_only(kit: Kit) -> None:
    """requirements.txt as the training toolkit treats it; the interpreter that all jobs share stays as it is."""
    package = "gitops_demo-1.0-py3-none-any.whl"
    files = {"requirements.txt": f"./{package}\n", package: wheel()}
    script = "import gitops_demo\nprint('value', gitops_demo.VALUE)\n"
    name = kit.train(script, files=files)
    assert kit.trained(name)["TrainingJobStatus"] == "Completed"
    assert "value 42" in kit.log("/aws/sagemaker/TrainingJobs", name)
    assert "No module named 'gitops_demo'" in kit.trained(kit.train(script))["FailureReason"]


def test_requirements_that_cannot_be_installed_fail_the_job(kit: Kit) -> None:
    """In the toolkit's form, with what the installer said."""
    job = kit.trained(kit.train(SAVE, files={"requirements.txt": "./absent-1.0-py3-none-any.whl\n"}))
    assert job["FailureReason"].startswith("AlgorithmError: InstallRequirementsError:")
    assert "absent-1.0" in job["FailureReason"]
