"""Processing jobs run for real: inputs, outputs, command, failure, stop and limits."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from service_kit import BUCKET, IMAGE, Kit, s3_input, until

WRITE = "open('/opt/ml/processing/output/result.txt', 'w').write('done')\n"
ENDLESS = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.05)\n"


def started(kit: Kit, name: str) -> None:
    until(lambda: "ready" in kit.log("/aws/sagemaker/ProcessingJobs", name), f"the start of {name}")


def test_outputs_are_uploaded_at_the_end(kit: Kit) -> None:
    """A file in the output's LocalPath is below its S3Uri when the job is Completed."""
    name = kit.process(WRITE)
    job = kit.processed(name)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert kit.read(f"s3://{BUCKET}/results/{name}/result.txt") == b"done"
    assert job["ProcessingStartTime"] <= job["ProcessingEndTime"]


def test_inputs_and_arguments_reach_the_command(kit: Kit) -> None:
    """The entrypoint gets ContainerArguments and finds every input under its LocalPath."""
    prefix = kit.name("data")
    data = kit.put(f"{prefix}/test.csv", "1,2")
    script = "import sys\nprint(sys.argv[1:], open('/opt/ml/processing/input/test/test.csv').read())\n"
    request = kit.processing_request(script)
    request["AppSpecification"]["ContainerArguments"] = ["--mode", "fast"]
    request["ProcessingInputs"].append(s3_input("test", data, "/opt/ml/processing/input/test"))
    kit.client("sagemaker").create_processing_job(**request)
    kit.processed(request["ProcessingJobName"])
    log = kit.log("/aws/sagemaker/ProcessingJobs", request["ProcessingJobName"])
    assert log == "['--mode', 'fast'] 1,2"


def test_an_exception_is_the_failure_reason_and_nothing_is_uploaded(kit: Kit) -> None:
    """EndOfJob outputs of a failed job stay away; the reason holds the traceback and the exit code."""
    name = kit.process(WRITE + "raise RuntimeError('no test data')\n")
    job = kit.processed(name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ")
    assert job["FailureReason"].endswith("RuntimeError: no test data, exit code: 1")
    with pytest.raises(ClientError, match="NoSuchKey"):
        kit.read(f"s3://{BUCKET}/results/{name}/result.txt")


def test_the_exit_message_comes_from_the_container(kit: Kit) -> None:
    """/opt/ml/output/message becomes ExitMessage."""
    job = kit.processed(kit.process("open('/opt/ml/output/message', 'w').write('3 rows dropped')\n"))
    assert job["ExitMessage"] == "3 rows dropped"


def test_an_empty_input_fails_the_job(kit: Kit) -> None:
    """The reason is AWS's "No S3 objects found"."""
    request = kit.processing_request(WRITE)
    request["ProcessingInputs"].append(s3_input("data", f"s3://{BUCKET}/empty/prefix", "/opt/ml/processing/input/data"))
    kit.client("sagemaker").create_processing_job(**request)
    reason = kit.processed(request["ProcessingJobName"])["FailureReason"]
    assert "No S3 objects found under S3 URL" in reason


def test_continuous_outputs_are_uploaded_while_the_job_runs(kit: Kit) -> None:
    """S3UploadMode Continuous shows files before the end, and those of a stopped job."""
    kit.world.settings["processing.syncSeconds"] = 0.05
    request = kit.processing_request(WRITE + ENDLESS)
    request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3UploadMode"] = "Continuous"
    kit.client("sagemaker").create_processing_job(**request)
    name = request["ProcessingJobName"]
    prefix = f"results/{name}/"

    def listed() -> int:
        count: int = kit.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"]
        return count

    until(lambda: listed() == 1, "the upload of a running job's output")
    assert kit.processing(name)["ProcessingJobStatus"] == "InProgress"
    kit.client("sagemaker").stop_processing_job(ProcessingJobName=name)
    assert kit.processed(name)["ProcessingJobStatus"] == "Stopped"


def test_max_runtime_fails_the_job(kit: Kit) -> None:
    """A processing job that takes too long is Failed, unlike a training job."""
    name = kit.process(ENDLESS, StoppingCondition={"MaxRuntimeInSeconds": 600})
    started(kit, name)
    kit.world.clock.advance(601)
    job = kit.processed(name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert "MaxRuntimeInSeconds" in job["FailureReason"]


def test_stopping_a_finished_job_is_refused(kit: Kit) -> None:
    """The text names the status."""
    name = kit.process(WRITE)
    kit.processed(name)
    with pytest.raises(ClientError, match="because the processing job is in status Completed"):
        kit.client("sagemaker").stop_processing_job(ProcessingJobName=name)


def test_delete_frees_the_name_of_a_finished_job_only(kit: Kit) -> None:
    """Deleting a running job is ResourceInUse; afterwards Describe does not find it."""
    sagemaker = kit.client("sagemaker")
    name = kit.process(ENDLESS)
    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.delete_processing_job(ProcessingJobName=name)
    sagemaker.stop_processing_job(ProcessingJobName=name)
    kit.processed(name)
    sagemaker.delete_processing_job(ProcessingJobName=name)
    with pytest.raises(ClientError, match="Could not find requested job with name"):
        kit.processing(name)


def _outputs(*names_and_paths: tuple[str, str]) -> dict[str, Any]:
    return {
        "Outputs": [
            {
                "OutputName": name,
                "S3Output": {"S3Uri": f"s3://{BUCKET}/o", "LocalPath": path, "S3UploadMode": "EndOfJob"},
            }
            for name, path in names_and_paths
        ]
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"ProcessingOutputConfig": _outputs(("a", "/opt/ml/processing/a"), ("a", "/opt/ml/processing/b"))},
            "output names must be unique",
        ),
        (
            {"ProcessingOutputConfig": _outputs(("a", "/opt/ml/processing/a"), ("b", "/opt/ml/processing/a"))},
            "LocalPath values must be unique",
        ),
        ({"ProcessingOutputConfig": _outputs(("a", "/tmp/a"))}, "must be an absolute path that starts with"),
        ({"ProcessingOutputConfig": _outputs(("a", "/opt/ml/processing/../x"))}, "must be an absolute path"),
        ({"ProcessingInputs": [{"InputName": "x"}]}, "exactly one of S3Input and DatasetDefinition"),
    ],
)
def test_rules_between_members_are_checked_at_creation(kit: Kit, changes: dict[str, Any], message: str) -> None:
    """Names and paths are unique, and paths are where SageMaker mounts them."""
    with pytest.raises(ClientError, match=message):
        kit.process(WRITE, **changes)


def test_an_image_without_a_command_fails(kit: Kit) -> None:
    """Without ContainerEntrypoint there is nothing to run, and the reason says what to give."""
    job = kit.processed(kit.process(WRITE, AppSpecification={"ImageUri": IMAGE}))
    assert "set AppSpecification.ContainerEntrypoint" in job["FailureReason"]
