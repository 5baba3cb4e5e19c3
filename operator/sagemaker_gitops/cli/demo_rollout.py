"""The demo's third part: a canary that an alarm stops, then one that goes through, while a client never stops asking."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_gitops.cli.demo_endpoint import NAME, approve, ready, status_of, test_images, until
from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.local_account import client
from sagemaker_gitops.cli.progress import doing, say
from sagemaker_gitops.cli.sandbox import NAMESPACE, Sandbox

ALARM, METRIC_NAMESPACE, METRIC = "digits-complaints", "digits", "Complaints"
# An alarm over ten seconds sees nothing of a metric that is stored by the minute.
COMPLAINT = {"MetricName": METRIC, "Value": 1.0, "StorageResolution": 1}
ROLLOUT = {"type": "Canary", "size": "50%", "waitInterval": "20s", "alarms": [ALARM]}
FAILED = "failed"
BETWEEN_REQUESTS, BETWEEN_COMPLAINTS, ALARM_SECONDS = 0.05, 1.0, 90.0


def roll_out(sandbox: Sandbox, train: Callable[[int], str]) -> dict[str, Any]:
    """`train` makes a model of so many trees and tells group/version. CommandError when anything is not as promised."""
    with doing("two more versions, trained and approved"):
        refused, good = train(200), train(220)
        approve(sandbox)
        _put_alarm(sandbox)
    serving = status_of(sandbox)["liveConfig"]
    with asking(sandbox) as answers:
        with doing(f"{refused} as a canary, and the team's own metric says that people complain"), _complaining(sandbox):
            _edit(sandbox, refused)
            until(sandbox, lambda status: status.get("phase") == "RolledBack")
        _check_rolled_back(sandbox, serving, dict(answers))
        with doing("nobody complains any more, the alarm is OK again"):
            _until_quiet(sandbox)
        with doing(f"{good} as a canary"):
            _edit(sandbox, good)
            until(sandbox, lambda status: status.get("phase") == "InService")
    say(f"    {ready(sandbox).get('message')}; {sum(answers.values())} requests during all of it, {answers[FAILED]} failed")
    if answers[FAILED]:
        raise CommandError(f"{answers[FAILED]} requests failed while versions changed")
    return {"rolledBack": refused, "serves": good, "requests": sum(answers.values()), "failed": answers[FAILED]}


@contextmanager
def asking(sandbox: Sandbox) -> Iterator[Counter[str]]:
    """A client that asks one test image after the other: answers by variant, and FAILED."""
    images, answers, over = test_images(sandbox), Counter[str](), threading.Event()
    runtime, endpoint = client(sandbox.aws_url, "sagemaker-runtime"), status_of(sandbox)["endpointName"]

    def ask() -> None:
        number = 0
        while not over.wait(BETWEEN_REQUESTS):
            number += 1
            _, pixels = images[number % len(images)]
            try:
                answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Accept="text/csv", Body=pixels.encode())
                answers[answer["InvokedProductionVariant"]] += 1
            except (ClientError, BotoCoreError):
                answers[FAILED] += 1

    with _thread(ask, over):
        yield answers


@contextmanager
def _complaining(sandbox: Sandbox) -> Iterator[None]:
    """From the moment AWS updates the endpoint: an alarm that rings before would stop it from the start."""
    cloudwatch, over = client(sandbox.aws_url, "cloudwatch"), threading.Event()

    def complain() -> None:
        while not over.wait(BETWEEN_COMPLAINTS / sandbox.speed):
            if status_of(sandbox).get("phase") == "Updating":
                cloudwatch.put_metric_data(Namespace=METRIC_NAMESPACE, MetricData=[COMPLAINT])

    with _thread(complain, over):
        yield


@contextmanager
def _thread(work: Callable[[], None], over: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


def _put_alarm(sandbox: Sandbox) -> None:
    """One complaint within ten seconds is enough; none is fine."""
    client(sandbox.aws_url, "cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        Namespace=METRIC_NAMESPACE,
        MetricName=METRIC,
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )


def _until_quiet(sandbox: Sandbox) -> None:
    cloudwatch, deadline = client(sandbox.aws_url, "cloudwatch"), time.monotonic() + ALARM_SECONDS
    while cloudwatch.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]["StateValue"] != "OK":
        if time.monotonic() > deadline:
            raise CommandError(f"the alarm {ALARM} still rings")
        time.sleep(0.5)


def _edit(sandbox: Sandbox, model: str) -> None:
    """What a data scientist commits: another version for blue, as a canary."""
    group, _, version = model.rpartition("/")
    blue, *others = sandbox.get("modelendpoint", NAME)["spec"]["variants"]
    blue |= {"model": {"package": {"group": group, "version": int(version)}}, "resources": {"instanceCount": 2}}
    patch = {"spec": {"variants": [blue, *others], "rollout": ROLLOUT}}
    sandbox.kubectl("patch", "mep", NAME, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(patch))


def _check_rolled_back(sandbox: Sandbox, serving: str, answers: dict[str, int]) -> None:
    """Degraded, as Argo CD reads it, while the version from before answers."""
    found = ready(sandbox)
    say(f"    Ready={found.get('status')} {found.get('reason')}: {found.get('message')}")
    if (found.get("status"), found.get("reason")) != ("False", "RolledBack"):
        raise CommandError(f"a rollout that was stopped is told as {found}")
    live = status_of(sandbox)["liveConfig"]
    if live != serving or answers.get(FAILED):
        raise CommandError(f"{serving} served before the rollback and {live} after it, {answers.get(FAILED, 0)} requests failed")
