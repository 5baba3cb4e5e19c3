"""Notifications by SNS on the real API server and the local AWS: what a subscribed queue receives (issue 5: each once)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from sagemaker_gitops.cli.local_account import ACCOUNT, REGION
from tests.system.endpoints import pinned
from tests.system.policies import CAPTURE, Policies, answers
from tests.system.stack import Stack, condition

FAILS = "import sys; sys.exit('ValueError: no such column')"
EVERYTHING = ["Succeeded", "Failed", "GateRejected", "AwaitingApproval"]


@dataclass
class Mailbox:
    """A topic, and a queue that is subscribed to it."""

    stack: Stack
    name: str
    topic: str = field(init=False)
    letters: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        sns, sqs = self.stack.client("sns"), self.stack.client("sqs")
        self.topic = sns.create_topic(Name=f"team-a-{self.name}")["TopicArn"]
        self.url = sqs.create_queue(QueueName=f"letters-{self.name}")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:letters-{self.name}"
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "false"})

    def notify(self, *on: str) -> list[dict[str, Any]]:
        return [{"snsTopicArn": self.topic, "transitions": list(on)}]

    def read(self) -> list[str]:
        """Every transition that was told so far."""
        while found := self.stack.client("sqs").receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for item in found:
                self.letters.append(json.loads(item["Body"]))
                self.stack.client("sqs").delete_message(QueueUrl=self.url, ReceiptHandle=item["ReceiptHandle"])
        return [self.body(letter)["transition"] for letter in self.letters]

    def until(self, count: int) -> list[str]:
        deadline = time.monotonic() + 60
        while len(told := self.read()) < count:
            assert time.monotonic() < deadline, f"{told} instead of {count} letters"
            time.sleep(0.2)
        return told

    @staticmethod
    def body(letter: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(letter["Message"])
        return found


def sent(status: dict[str, Any]) -> list[str]:
    """The states of the notifications, newest first."""
    return [entry["state"] for entry in status.get("notifications") or ()]


@pytest.mark.capability("H4")
@pytest.mark.timeout(300)
@pytest.mark.long
def test_a_failed_run_is_told_once_whatever_happens_to_operator_and_object(checked: Stack) -> None:
    """Once at its end; not after a restart, not for another object of the same name, not when the status is lost."""
    mailbox = Mailbox(checked, "fails")
    made = checked.run("fails", files={"train.py": FAILS}, notify=mailbox.notify(*EVERYTHING))
    assert checked.ended("fails")["phase"] == "Failed"
    assert mailbox.until(1) == ["Failed"]
    body = mailbox.body(mailbox.letters[0])
    assert (body["kind"], body["namespace"], body["name"], body["reason"]) == ("TrainingRun", "team-a", "fails", "AlgorithmError")
    assert "no such column" in body["message"]
    assert "/jobs/" in body["consoleUrl"]
    assert mailbox.letters[0]["Subject"] == "Failed: TrainingRun team-a/fails"
    status = checked.until("fails", lambda status: sent(status) == ["Sent"])["status"]
    assert condition(status, "Notified")["status"] == "True"
    assert status["effective"]["notify"] == mailbox.notify(*EVERYTHING)
    checked.sandbox.restart_operator()
    checked.wipe_status("fails")
    assert checked.ended("fails")["phase"] == "Failed"
    checked.delete("fails")
    checked.apply(made)
    assert checked.ended("fails")["phase"] == "Failed"
    checked.quiet()
    assert mailbox.read() == ["Failed"]
    assert checked.accepted("fails", "Publish") == 1


@pytest.mark.capability("H4")
def test_a_model_that_waits_for_approval_is_told_beside_its_success(checked: Stack) -> None:
    mailbox = Mailbox(checked, "waits")
    checked.run("waits", register={"group": "waits", "approval": "Manual"}, notify=mailbox.notify(*EVERYTHING))
    checked.ended("waits")
    assert sorted(mailbox.until(2)) == ["AwaitingApproval", "Succeeded"]
    assert "waits/1" in next(body["message"] for body in map(mailbox.body, mailbox.letters) if body["transition"] == "AwaitingApproval")


@pytest.mark.capability("H4")
def test_a_topic_that_is_gone_fails_nothing(checked: Stack) -> None:
    mailbox = Mailbox(checked, "gone")
    checked.client("sns").delete_topic(TopicArn=mailbox.topic)
    checked.run("gone", notify=mailbox.notify("Succeeded"))
    assert checked.ended("gone")["phase"] == "Succeeded"
    status = checked.until("gone", lambda status: "error" in (status.get("notifications") or [{}])[0])["status"]
    assert condition(status, "Notified")["reason"] == "NotSent"
    assert condition(status, "Ready")["status"] == "True"


@pytest.mark.capability("H4", "G11")
@pytest.mark.timeout(300)
def test_an_endpoint_and_its_policy_tell_when_it_begins_and_not_while_it_lasts(policies: Policies, checked: Stack) -> None:
    """One InService for one rollout; one Breached for two bad checks."""
    serving, watching = Mailbox(checked, "serves"), Mailbox(checked, "watches")
    policies.register("told", answers(0.9))
    policies.apply("told", pinned("told", 1), dataCapture=CAPTURE, notify=serving.notify("InService", "Failed", "RolledBack"))
    policies.in_service("told")
    assert serving.until(1) == ["InService"]
    alarm = {"name": "high", "check": "loss", "operator": ">", "threshold": {"initial": 0.24}, "treatMissingData": "notBreaching"}
    policies.policy("told", alarms=[alarm], notify=watching.notify("Breached", "Recovered", "NoData", "Failed"))
    policies.until_policy("told", lambda status: status.get("phase") == "Scheduled")
    policies.ask_times("told")
    policies.check("told")
    assert watching.until(1) == ["Breached"]
    policies.check("told")
    checked.sandbox.restart_operator()
    checked.quiet()
    assert (serving.read(), watching.read()) == (["InService"], ["Breached"])
    assert "high" in watching.body(watching.letters[0])["message"]


@pytest.mark.capability("H4")
def test_a_topic_outside_of_the_tenant_is_refused(checked: Stack) -> None:
    """By the API server, with the words that the operator has for it, too."""
    made = checked.manifest(
        "abroad", notify=[{"snsTopicArn": "arn:aws:sns:eu-central-1:999999999999:team-a-alerts", "transitions": ["Failed"]}]
    )
    with pytest.raises(Exception, match=f"allows SNS topics of account {ACCOUNT} in {REGION}"):
        checked.apply(made)
