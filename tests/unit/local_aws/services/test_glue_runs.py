"""Glue jobs: definitions as Glue keeps them, and Python shell runs that really run."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from service_kit import ROLE, UNTRUSTED, Kit, until

from local_aws.faults import JobFailure

ENDLESS = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.05)\n"
OUTPUT = "/aws-glue/python-jobs/output"


def started(kit: Kit, run: str) -> None:
    until(lambda: "ready" in kit.log(OUTPUT, run), f"the start of run {run}")


def test_a_script_gets_the_arguments_of_job_and_run(kit: Kit) -> None:
    """getResolvedOptions sees default arguments, those of the run over them, and the job's name."""
    script = (
        "import sys\nfrom awsglue.utils import getResolvedOptions\n"
        "o = getResolvedOptions(sys.argv, ['JOB_NAME', 'fraction', 'note'])\n"
        "print(o['JOB_NAME'], o['fraction'], o['note'])\n"
    )
    job = kit.glue_job(script, DefaultArguments={"--fraction": "0.1", "--note": "from the job"})
    run = kit.start(job, Arguments={"--fraction": "0.2"})
    ended = kit.ran(job, run)
    assert ended["JobRunState"] == "SUCCEEDED", ended.get("ErrorMessage")
    assert kit.log(OUTPUT, run) == f"{job} 0.2 from the job"


def test_the_run_shows_arguments_times_and_capacity(kit: Kit) -> None:
    """Arguments are those of the call; CompletedOn, ExecutionTime and DPUSeconds are there at the end."""
    job = kit.glue_job("print('x')\n", MaxCapacity=1.0)
    run = kit.ran(job, kit.start(job, Arguments={"--token": "abc"}))
    assert run["Arguments"] == {"--token": "abc"}
    assert run["StartedOn"] <= run["CompletedOn"]
    assert run["DPUSeconds"] == run["ExecutionTime"] * 1.0
    assert run["Attempt"] == 0


def test_an_exception_is_the_error_message(kit: Kit) -> None:
    """ErrorMessage is the exception with its text; the traceback is in the error log group."""
    job = kit.glue_job("print('before')\nraise ValueError('no rows in raw data')\n")
    run = kit.start(job)
    ended = kit.ran(job, run)
    assert (ended["JobRunState"], ended["ErrorMessage"]) == ("FAILED", "ValueError: no rows in raw data")
    assert kit.log("/aws-glue/python-jobs/error", run).startswith("Traceback (most recent call last)")


def test_an_exit_code_without_an_exception_is_the_error_message(kit: Kit) -> None:
    """sys.exit(3) has no text of its own."""
    job = kit.glue_job("import sys\nsys.exit(3)\n")
    assert kit.ran(job, kit.start(job))["ErrorMessage"] == "Command failed with exit code 3"


def test_a_missing_script_fails_the_run(kit: Kit) -> None:
    """The location is in the message."""
    command = {"Name": "pythonshell", "ScriptLocation": "s3://kit-bucket/absent.py", "PythonVersion": "3.9"}
    job = kit.glue_job("", Command=command)
    ended = kit.ran(job, kit.start(job))
    assert ended["JobRunState"] == "FAILED"
    assert "s3://kit-bucket/absent.py" in ended["ErrorMessage"]


def test_extra_py_files_can_be_imported(kit: Kit) -> None:
    """A .py file of --extra-py-files is on the path; the option itself does not reach the script."""
    library = kit.put("libraries/helpers_of_ours.py", "ANSWER = 42\n")
    job = kit.glue_job(
        "import sys, helpers_of_ours\nprint(helpers_of_ours.ANSWER, '--extra-py-files' in sys.argv)\n",
        DefaultArguments={"--extra-py-files": library},
    )
    run = kit.start(job)
    kit.ran(job, run)
    assert kit.log(OUTPUT, run) == "42 False"


def test_additional_modules_that_are_there_need_no_installation(kit: Kit) -> None:
    """The interpreter's own pandas is good enough."""
    job = kit.glue_job("import pandas\n", DefaultArguments={"--additional-python-modules": "pandas>=1"})
    assert kit.ran(job, kit.start(job))["JobRunState"] == "SUCCEEDED"


def test_additional_modules_that_cannot_be_installed_fail_the_run(kit: Kit) -> None:
    """Named, instead of failing at the import."""
    arguments = {"--additional-python-modules": "pandas>=1,./absent-1.0-py3-none-any.whl"}
    job = kit.glue_job("print('x')\n", DefaultArguments=arguments)
    message = kit.ran(job, kit.start(job))["ErrorMessage"]
    assert message.startswith("--additional-python-modules")
    assert "absent-1.0" in message


def test_spark_jobs_fail_with_the_reason(kit: Kit) -> None:
    """glueetl can be defined; its run says that there is no Spark here."""
    command = {"Name": "glueetl", "ScriptLocation": "s3://kit-bucket/x.py"}
    job = kit.glue_job("", Command=command)
    ended = kit.ran(job, kit.start(job))
    assert ended["JobRunState"] == "FAILED"
    assert "Spark is not part of this local AWS" in ended["ErrorMessage"]


def test_concurrent_runs_are_limited(kit: Kit) -> None:
    """A second run is refused while the first is active, and accepted afterwards."""
    job = kit.glue_job(ENDLESS)
    first = kit.start(job)
    with pytest.raises(ClientError, match="ConcurrentRunsExceededException"):
        kit.start(job)
    kit.client("glue").batch_stop_job_run(JobName=job, JobRunIds=[first])
    assert kit.ran(job, first)["JobRunState"] == "STOPPED"
    second = kit.start(job)
    kit.client("glue").batch_stop_job_run(JobName=job, JobRunIds=[second])
    assert kit.ran(job, second)["JobRunState"] == "STOPPED"


def test_more_runs_are_allowed_when_the_job_says_so(kit: Kit) -> None:
    """ExecutionProperty.MaxConcurrentRuns is the limit."""
    job = kit.glue_job(ENDLESS, ExecutionProperty={"MaxConcurrentRuns": 2})
    runs = [kit.start(job), kit.start(job)]
    stopped = kit.client("glue").batch_stop_job_run(JobName=job, JobRunIds=runs)
    assert [each["JobRunId"] for each in stopped["SuccessfulSubmissions"]] == runs


def test_stopping_an_ended_or_missing_run_is_an_error_in_the_list(kit: Kit) -> None:
    """BatchStopJobRun answers 200 with an error for each run that it could not stop."""
    job = kit.glue_job("print('x')\n")
    run = kit.start(job)
    kit.ran(job, run)
    answer = kit.client("glue").batch_stop_job_run(JobName=job, JobRunIds=[run, "jr_absent"])
    codes = [error["ErrorDetail"]["ErrorCode"] for error in answer["Errors"]]
    assert (answer["SuccessfulSubmissions"], codes) == (
        [],
        ["InvalidInputException", "EntityNotFoundException"],
    )


def test_timeout_ends_the_run(kit: Kit) -> None:
    """Timeout is in minutes of AWS time."""
    job = kit.glue_job(ENDLESS, Timeout=5)
    run = kit.start(job)
    started(kit, run)
    kit.world.clock.advance(5 * 60 + 1)
    ended = kit.ran(job, run)
    assert ended["JobRunState"] == "TIMEOUT"
    assert ended["ExecutionTime"] >= 300


def test_a_failed_run_is_repeated_as_often_as_the_job_says(kit: Kit) -> None:
    """MaxRetries makes new runs that name the one before."""
    job = kit.glue_job("raise SystemExit(1)\n", MaxRetries=1)
    first = kit.start(job)
    kit.ran(job, first)
    until(lambda: len(kit.client("glue").get_job_runs(JobName=job)["JobRuns"]) == 2, "the second attempt")
    second = kit.ran(job, f"{first}_attempt_1")
    assert (second["Attempt"], second["PreviousRunId"]) == (1, first)


def test_a_failure_can_be_ordered(kit: Kit) -> None:
    """The admin's failure of the next JobRun of that job is its ErrorMessage."""
    job = kit.glue_job("print('x')\n")
    kit.world.faults.fail_jobs(JobFailure(job="JobRun", reason="Internal service error", name=job))
    assert kit.ran(job, kit.start(job))["ErrorMessage"] == "Internal service error"
    assert kit.ran(job, kit.start(job))["JobRunState"] == "SUCCEEDED"


def test_runs_are_listed_newest_first_in_pages(kit: Kit) -> None:
    """GetJobRuns pages with NextToken."""
    job = kit.glue_job("print('x')\n")
    runs = []
    for _ in range(3):
        runs.append(kit.start(job))
        kit.ran(job, runs[-1])
    glue = kit.client("glue")
    first = glue.get_job_runs(JobName=job, MaxResults=2)
    second = glue.get_job_runs(JobName=job, MaxResults=2, NextToken=first["NextToken"])
    assert [run["Id"] for run in first["JobRuns"] + second["JobRuns"]] == runs[::-1]
    assert "NextToken" not in second


def test_lists_lag_when_ordered(kit: Kit) -> None:
    """A run that GetJobRun knows is not in GetJobRuns until the lag has passed."""
    job = kit.glue_job("print('x')\n")
    kit.world.faults.list_lag = 60.0
    run = kit.start(job)
    kit.ran(job, run)
    glue = kit.client("glue")
    assert glue.get_job_runs(JobName=job)["JobRuns"] == []
    kit.world.clock.advance(61)
    assert [each["Id"] for each in glue.get_job_runs(JobName=job)["JobRuns"]] == [run]


def test_a_definition_comes_back_with_glues_defaults(kit: Kit) -> None:
    """Members that were left out are filled in as Glue does."""
    job = kit.client("glue").get_job(JobName=kit.glue_job("print('x')\n"))["Job"]
    assert job["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
    assert (job["Timeout"], job["MaxRetries"], job["MaxCapacity"]) == (2880, 0, 0.0625)


def test_update_replaces_the_definition(kit: Kit) -> None:
    """What the update leaves out goes back to its default; the creation time stays."""
    glue = kit.client("glue")
    name = kit.glue_job("print('x')\n", Description="first", Timeout=10)
    before = glue.get_job(JobName=name)["Job"]
    glue.update_job(JobName=name, JobUpdate={"Role": ROLE, "Command": before["Command"], "MaxRetries": 2})
    after = glue.get_job(JobName=name)["Job"]
    assert (after["MaxRetries"], after["Timeout"], "Description" in after) == (2, 2880, False)
    assert after["CreatedOn"] == before["CreatedOn"]


def test_deleting_a_missing_job_is_no_error(kit: Kit) -> None:
    """As the API reference says; the name is free afterwards."""
    glue = kit.client("glue")
    name = kit.glue_job("print('x')\n")
    glue.delete_job(JobName=name)
    assert glue.delete_job(JobName=name)["JobName"] == name
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        glue.get_job(JobName=name)


def test_tags_filter_the_list_of_jobs(kit: Kit) -> None:
    """Tags of the creation and of TagResource are found by ListJobs and GetTags."""
    glue = kit.client("glue")
    owner = kit.name("owner")
    name = kit.glue_job("print('x')\n", Tags={"owner": owner})
    arn = f"arn:aws:glue:eu-central-1:123456789012:job/{name}"
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"stage": "dev", "old": "1"})
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["old"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"owner": owner, "stage": "dev"}
    assert glue.list_jobs(Tags={"owner": owner})["JobNames"] == [name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Role": UNTRUSTED}, "should be given assume role permissions for Glue Service"),
        ({"MaxCapacity": 2.0}, "must be 0.0625 or 1"),
        (
            {"WorkerType": "G.1X", "NumberOfWorkers": 2},
            "Worker Type is not supported for Job Command pythonshell",
        ),
        ({"Command": {"Name": "shell", "ScriptLocation": "s3://a/b"}}, "Invalid Command Name: shell"),
        ({"Command": {"Name": "pythonshell"}}, "ScriptLocation is required"),
        ({"Tags": {"aws:x": "y"}}, "reserved prefix aws:"),
    ],
)
def test_bad_definitions_are_refused(kit: Kit, changes: dict[str, Any], message: str) -> None:
    """InvalidInputException with the reason."""
    with pytest.raises(ClientError, match=message):
        kit.glue_job("print('x')\n", **changes)


def test_other_glue_operations_are_still_answered(kit: Kit) -> None:
    """The Data Catalog falls through to moto."""
    glue = kit.client("glue")
    name = kit.name("db").replace("-", "_")
    glue.create_database(DatabaseInput={"Name": name})
    assert glue.get_database(Name=name)["Database"]["Name"] == name
