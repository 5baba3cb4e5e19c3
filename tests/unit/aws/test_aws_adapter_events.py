"""aws.events: what an event must look like to wake somebody, and a poll that nothing ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from sagemaker_gitops.aws.events import BATCH, FIRST_PAUSE, LONGEST_PAUSE, WAIT_SECONDS, AwsEvent, parse_event, poll
from sagemaker_gitops.core.errors import Category
from tests.unit.aws.aws_adapter_fakes import Answer, Enough, refused, sleeps_until

QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/events"
TRAINING = "SageMaker Training Job State Change"


def event(detail_type: Any = TRAINING, **detail: Any) -> str:
    return json.dumps({"detail-type": detail_type, "detail": detail})


def message(number: int, body: str) -> dict[str, str]:
    return {"MessageId": f"m{number}", "ReceiptHandle": f"r{number}", "Body": body}


@pytest.mark.parametrize(
    ("body", "name", "status"),
    [
        (event(TrainingJobName="t", TrainingJobStatus="Completed"), "t", "Completed"),
        (event("SageMaker Transform Job State Change", TransformJobName="b", TransformJobStatus="Completed"), "b", "Completed"),
        (event("SageMaker Processing Job State Change", ProcessingJobName="p", ProcessingJobStatus="Failed"), "p", "Failed"),
        (event("SageMaker Model Package State Change", ModelPackageGroupName="g", ModelApprovalStatus="Approved"), "g", "Approved"),
        (event("Glue Job State Change", jobName="j", state="SUCCEEDED"), "j", "SUCCEEDED"),
        (event(TrainingJobName="t"), "t", ""),
    ],
)
def test_an_event_names_what_changed(body: str, name: str, status: str) -> None:
    """Each source has its own member names; a status may be missing, because the pass looks anyway."""
    found = parse_event(body)
    assert found is not None
    assert (found.name, found.status, found.detail_type) == (name, status, json.loads(body)["detail-type"])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[]",
        '"text"',
        "7",
        "{}",
        event("Something Else", TrainingJobName="t"),
        event(ProcessingJobName="p"),
        event(["unhashable"], TrainingJobName="t"),
        event(None, TrainingJobName="t"),
        json.dumps({"detail-type": TRAINING}),
        json.dumps({"detail-type": TRAINING, "detail": None}),
        json.dumps({"detail-type": TRAINING, "detail": "text"}),
        json.dumps({"detail-type": TRAINING, "detail": []}),
        '{"detail-type": 1' + "0" * 5000 + "}",
        "[" * 200_000,
    ],
)
def test_anything_else_is_no_event(body: str) -> None:
    """Whoever may send to the queue cannot end the poll."""
    assert parse_event(body) is None


class Queue:
    """SQS with these answers to ReceiveMessage; then Enough."""

    def __init__(self, *received: Answer, deleting: Exception | None = None) -> None:
        self.received = list(received)
        self.deleting = deleting
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    async def call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append((service, operation, dict(parameters)))
        if operation == "DeleteMessageBatch":
            if self.deleting is not None:
                raise self.deleting
            return {}
        if not self.received:
            raise Enough
        found = self.received.pop(0)
        if isinstance(found, Exception):
            raise found
        return dict(found)

    @property
    def deleted(self) -> list[list[str]]:
        return [[item["ReceiptHandle"] for item in asked["Entries"]] for _, name, asked in self.calls if name == "DeleteMessageBatch"]


def polled(queue: Queue) -> list[AwsEvent]:
    """The events handed over until the queue says Enough."""
    handed: list[AwsEvent] = []
    with pytest.raises(Enough):
        asyncio.run(poll(queue.call, QUEUE, handed.append))
    return handed


def test_events_are_handed_over_and_deleted_together() -> None:
    """One call deletes the batch, with an id of its own for each message."""
    queue = Queue({"Messages": [message(1, event(TrainingJobName="a")), message(2, event(TrainingJobName="b"))]})
    assert [found.name for found in polled(queue)] == ["a", "b"]
    assert queue.deleted == [["r1", "r2"]]
    entries = queue.calls[1][2]["Entries"]
    assert len({item["Id"] for item in entries}) == 2
    assert queue.calls[1][2]["QueueUrl"] == QUEUE


def test_the_queue_is_long_polled() -> None:
    """Ten messages a call, twenty seconds: SQS's own bounds."""
    queue = Queue({})
    polled(queue)
    assert queue.calls[0] == ("sqs", "ReceiveMessage", {"QueueUrl": QUEUE, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20})
    assert (BATCH, WAIT_SECONDS) == (10, 20)


def test_an_unreadable_message_is_deleted_and_stops_nobody() -> None:
    """Otherwise it would come back for ever; the one behind it is handed over."""
    queue = Queue({"Messages": [message(1, "garbage"), message(2, event(TrainingJobName="b"))]})
    assert [found.name for found in polled(queue)] == ["b"]
    assert queue.deleted == [["r1", "r2"]]


def test_an_empty_answer_deletes_nothing() -> None:
    """SQS refuses an empty batch."""
    queue = Queue({}, {"Messages": []})
    assert polled(queue) == []
    assert queue.deleted == []


def test_a_message_is_deleted_only_after_it_was_handed_over() -> None:
    """A crash in between delivers it again."""
    order: list[str] = []
    queue = Queue({"Messages": [message(1, event(TrainingJobName="a"))]})

    async def call(service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        order.append(operation)
        return await queue.call(service, operation, parameters)

    with pytest.raises(Enough):
        asyncio.run(poll(call, QUEUE, lambda found: order.append(found.name)))
    assert order == ["ReceiveMessage", "a", "DeleteMessageBatch", "ReceiveMessage"]


def test_a_queue_that_cannot_be_read_is_tried_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubling up to a minute, without end."""
    pauses: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(9, pauses))
    polled(Queue(*[refused(Category.BLOCKED)] * 9))
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert (FIRST_PAUSE, LONGEST_PAUSE) == (1.0, 60.0)


def test_an_answer_ends_the_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next failure starts from the shortest again."""
    pauses: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(4, pauses))
    down = refused(Category.TRANSIENT)
    polled(Queue(down, down, {}, down, down))
    assert pauses == [1.0, 2.0, 1.0, 2.0]


def test_a_failed_delete_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The events were handed over; the messages come again, and waking twice is harmless."""
    pauses: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(9, pauses))
    again = {"Messages": [message(1, event(TrainingJobName="a"))]}
    assert [found.name for found in polled(Queue(again, again, deleting=refused(Category.TRANSIENT)))] == ["a", "a"]
    assert pauses == [1.0, 2.0]
