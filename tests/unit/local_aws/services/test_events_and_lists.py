"""State changes as EventBridge events in an SQS queue, and the List operations of jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from service_kit import Kit, until

from local_aws.faults import EventFaults

SAVE = "print('x')\n"


class Queue:
    """An SQS queue behind a rule; `events` waits for a number of them."""

    def __init__(self, kit: Kit, name: str, pattern: dict[str, Any]) -> None:
        self._sqs = kit.client("sqs")
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        events = kit.client("events")
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
        events.put_targets(Rule=name, Targets=[target])
        self.seen: list[dict[str, Any]] = []

    def poll(self) -> int:
        """Take what is there; how many events have been seen in all."""
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", ()):
            self.seen.append(json.loads(message["Body"]))
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return len(self.seen)

    def details(self) -> list[dict[str, Any]]:
        return [event["detail"] for event in self.seen]


@pytest.fixture
def name(kit: Kit) -> str:
    """The name of the job of one test."""
    return kit.name("watched")


def pattern(member: str, name: str) -> dict[str, Any]:
    return {"source": ["aws.sagemaker"], "detail": {member: [name]}}


def test_every_change_of_a_training_job_is_an_event(kit: Kit, name: str) -> None:
    """One event for each secondary status, with the Describe body and times in milliseconds."""
    queue = Queue(kit, name, pattern("TrainingJobName", name))
    kit.train(SAVE, TrainingJobName=name)
    job = kit.trained(name)
    until(lambda: queue.poll() >= 5, "five events")
    statuses = [detail["SecondaryStatus"] for detail in queue.details()]
    assert sorted(statuses) == sorted(["Starting", "Downloading", "Training", "Uploading", "Completed"])
    last = next(event for event in queue.seen if event["detail"]["SecondaryStatus"] == "Completed")
    assert last["detail-type"] == "SageMaker Training Job State Change"
    assert (last["account"], last["region"]) == ("123456789012", "eu-central-1")
    assert last["resources"] == [job["TrainingJobArn"]]
    assert last["detail"]["LastModifiedTime"] == int(job["LastModifiedTime"].timestamp() * 1000)
    assert last["detail"]["ModelArtifacts"] == job["ModelArtifacts"]


def test_processing_jobs_and_model_packages_send_events(kit: Kit) -> None:
    """Their detail types are AWS's."""
    kinds = ["SageMaker Processing Job State Change", "SageMaker Model Package State Change"]
    queue = Queue(kit, kit.name("kinds"), {"source": ["aws.sagemaker"], "detail-type": kinds})
    job = kit.process(SAVE)
    group = kit.name("group")
    sagemaker = kit.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn = sagemaker.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    kit.processed(job)

    def approvals() -> list[str]:
        queue.poll()
        return [each["ModelApprovalStatus"] for each in queue.details() if each.get("ModelPackageGroupName") == group]

    def states() -> set[str]:
        queue.poll()
        return {each["ProcessingJobStatus"] for each in queue.details() if each.get("ProcessingJobName") == job}

    until(lambda: sorted(approvals()) == ["Approved", "PendingManualApproval"], "two package events")
    until(lambda: states() == {"InProgress", "Completed"}, "the processing events")


def test_glue_sends_only_the_end_of_a_run(kit: Kit) -> None:
    """No event for STARTING and RUNNING; the message of a failure is the error."""
    job = kit.glue_job("raise ValueError('bad input')\n")
    queue = Queue(kit, job, {"source": ["aws.glue"], "detail": {"jobName": [job]}})
    run = kit.start(job)
    kit.ran(job, run)
    until(lambda: queue.poll() >= 1, "the event")
    assert queue.details() == [
        {
            "jobName": job,
            "severity": "ERROR",
            "state": "FAILED",
            "jobRunId": run,
            "message": "ValueError: bad input",
        }
    ]


def test_events_can_be_lost_doubled_and_late(kit: Kit, name: str) -> None:
    """The faults of the admin API decide over each event."""
    queue = Queue(kit, name, pattern("TrainingJobName", name))
    kit.world.faults.events = EventFaults(duplicate=1.0, delay=3600.0)
    kit.train(SAVE, TrainingJobName=name)
    kit.trained(name)
    assert queue.poll() == 0
    kit.world.clock.advance(3601)
    until(lambda: queue.poll() >= 10, "ten late events")
    kit.world.faults.events = EventFaults(drop=1.0)
    lost = kit.name("watched")
    other = Queue(kit, lost, pattern("TrainingJobName", lost))
    kit.train(SAVE, TrainingJobName=lost)
    kit.trained(lost)
    kit.world.faults.reset()
    seen = kit.trained(kit.train(SAVE))
    assert (seen["TrainingJobStatus"], other.poll()) == ("Completed", 0)


def test_lists_page_by_creation_time(kit: Kit) -> None:
    """NextToken walks through all jobs, newest first when asked."""
    prefix = kit.name("page")
    names = [kit.train(SAVE, TrainingJobName=f"{prefix}-{i}") for i in range(3)]
    pages = (
        kit.client("sagemaker")
        .get_paginator("list_training_jobs")
        .paginate(
            NameContains=prefix,
            SortBy="CreationTime",
            SortOrder="Descending",
            PaginationConfig={"PageSize": 2},
        )
    )
    shown = [[job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in pages]
    assert shown == [[names[2], names[1]], [names[0]]]


def test_status_is_applied_after_the_page_was_picked(kit: Kit) -> None:
    """A page may be empty and still carry a NextToken, as on AWS."""
    prefix = kit.name("status")
    done = kit.train(SAVE, TrainingJobName=f"{prefix}-a")
    kit.trained(done)
    kit.world.settings["training.startingSeconds"] = 3600
    waiting = kit.train(SAVE, TrainingJobName=f"{prefix}-b")
    sagemaker = kit.client("sagemaker")
    asked = {"NameContains": prefix, "MaxResults": 1, "StatusEquals": "InProgress"}
    first = sagemaker.list_training_jobs(**asked)
    assert (first["TrainingJobSummaries"], "NextToken" in first) == ([], True)
    second = sagemaker.list_training_jobs(**asked, NextToken=first["NextToken"])
    assert [job["TrainingJobName"] for job in second["TrainingJobSummaries"]] == [waiting]
    sagemaker.stop_training_job(TrainingJobName=waiting)


def test_time_filters(kit: Kit) -> None:
    """CreationTimeAfter and LastModifiedTimeAfter exclude older jobs."""
    prefix = kit.name("times")
    old = kit.trained(kit.train(SAVE, TrainingJobName=f"{prefix}-old"))
    kit.world.clock.advance(10)
    new = kit.trained(kit.train(SAVE, TrainingJobName=f"{prefix}-new"))
    for member in ("CreationTimeAfter", "LastModifiedTimeAfter"):
        after = {member: old["LastModifiedTime"]}
        listed = kit.client("sagemaker").list_training_jobs(NameContains=prefix, **after)
        names = [job["TrainingJobName"] for job in listed["TrainingJobSummaries"]]
        assert names == [new["TrainingJobName"]], member


def test_lists_lag_behind_describe_when_ordered(kit: Kit) -> None:
    """With a lag the list shows the older state, and a deleted job for a while."""
    kit.world.faults.list_lag = 60.0
    name = kit.train(SAVE)
    kit.trained(name)
    sagemaker = kit.client("sagemaker")

    def shown() -> list[str]:
        listed = sagemaker.list_training_jobs(NameContains=name)
        return [job["TrainingJobStatus"] for job in listed["TrainingJobSummaries"]]

    assert shown() == []
    kit.world.clock.advance(61)
    assert shown() == ["Completed"]
    sagemaker.delete_training_job(TrainingJobName=name)
    assert shown() == ["Completed"]
    kit.world.clock.advance(61)
    assert shown() == []


def test_a_foreign_next_token_is_refused(kit: Kit) -> None:
    """A token that is not ours is a ValidationException."""
    with pytest.raises(ClientError, match="Invalid NextToken"):
        kit.client("sagemaker").list_training_jobs(NextToken="not-a-token")
