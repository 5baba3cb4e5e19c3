"""The loop on the real API server and the local AWS: breach, one retrain, approval, better model, ratchet (acceptance rows 23 to 25)."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest

from tests.system.policies import CAPTURE, Policies
from tests.system.stack import condition

# Learns its answer: the number in the data. The same script serves.
LEARNS = """
import os, pathlib
def model_fn(folder):
    return pathlib.Path(folder, "model.txt").read_text()
def input_fn(body, content_type):
    return body
def predict_fn(data, model):
    return model
def output_fn(prediction, accept):
    return prediction, "text/csv"
if __name__ == "__main__":
    learned = pathlib.Path(os.environ["SM_CHANNEL_RAW"], "data.csv").read_text().strip()
    pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(learned)
"""
ALARM = {
    "name": "high",
    "check": "loss",
    "operator": ">",
    "threshold": {"initial": 0.24, "ratchet": {"rate": 0.5, "onlyIfBetter": True}},
    "evaluationPeriods": 2,
    "datapointsToAlarm": 2,
    "treatMissingData": "notBreaching",
    "createCloudWatchAlarm": True,
}


def data(policies: Policies, value: float, prefix: str = "") -> str:
    """The number to learn, in a folder."""
    folder = prefix or f"s3://team-a-ml/raw/{uuid.uuid4().hex[:8]}/"
    key = f"{folder.removeprefix('s3://team-a-ml/')}data.csv"
    policies.stack.client("s3").put_object(Bucket="team-a-ml", Key=key, Body=f"{value}\n".encode())
    return folder


def training_jobs(policies: Policies, name: str) -> list[str]:
    found = policies.stack.client("sagemaker").list_training_jobs(NameContains=f"-{name}-train-", MaxResults=100)
    return [item["TrainingJobName"] for item in found["TrainingJobSummaries"]]


def alarm_at(cloudwatch: Any, prefix: str, threshold: float) -> dict[str, Any]:
    """The one alarm, once CloudWatch has been told of that threshold: passes after the one that moved it."""
    deadline = time.monotonic() + 30
    while True:
        (alarm,) = cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
        if alarm["Threshold"] == pytest.approx(threshold):
            return dict(alarm)
        assert time.monotonic() < deadline, alarm["Threshold"]
        time.sleep(0.2)


@pytest.mark.capability("G11", "G12", "G13", "G15", "G19")
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_breach_brings_one_retrain_and_a_better_model_ends_it(policies: Policies) -> None:
    """2 of 2 bad checks by the clock; one training job with the trigger in its provenance; a person approves; the ratchet moves once."""
    stack, name = policies.stack, "loop"
    folder = data(policies, 0.9)
    stack.run(name, files={"train.py": LEARNS}, uri=folder, register={"group": name, "approval": "Manual"})
    stack.ended(name)
    spec = stack.get(name)["spec"]
    group = stack.client("sagemaker").list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"]
    policies.approve(group[0]["ModelPackageArn"], "Approved")
    policies.apply(name, {"name": "all", "model": {"trainingRunRef": {"name": name}}}, dataCapture=CAPTURE)
    policies.in_service(name)
    data(policies, 0.1, folder)
    with policies.asking(name):
        policies.policy(
            name,
            schedule={"cron": "* * * * *", "timeZone": "Europe/Zurich"},
            window="1m",
            alarms=[ALARM],
            dashboard=True,
            onBreach={"retrain": {"trainingRunRef": {"name": name}, "cooldown": "10m", "requireNewData": True}},
        )
        breached = policies.until_policy(name, lambda status: bool(status.get("retrain")), 240)
        assert (breached["phase"], breached["threshold"], breached["breaches"]) == ("Breached", "0.24", "2/2")
        run = stack.until(name, lambda status: status.get("model") == f"{name}/2" and status.get("phase") == "Succeeded")
        assert run["spec"] == spec
        told = run["status"]["provenance"]["retrain"]
        assert (told["policy"], told["metric"], told["value"], told["threshold"]) == (f"team-a/{name}", "loss/wql", "0.9", "0.24")
        assert told["window"] == breached["lastCheck"]["window"]
        policies.until_policy(name, lambda status: "awaits approval" in (status.get("episode") or {}).get("message", ""), 120)
        policies.approve(f"{group[0]['ModelPackageArn'].rpartition('/')[0]}/2", "Approved")
        over = policies.until_policy(name, lambda status: "episode" not in status and status.get("phase") == "Passing", 240)
    assert (over["model"], over["lastCheck"]["metrics"][0]["value"]) == (f"{name}/2", "0.1")
    assert float(over["alarms"][0]["threshold"]) == pytest.approx(0.17)
    assert condition(over, "Breached")["status"] == "False"
    assert len(training_jobs(policies, name)) == 2
    assert stack.accepted(name, "CreateTrainingJob") == 2
    cloudwatch = stack.client("cloudwatch")
    alarm = alarm_at(cloudwatch, f"team-a-{name}-alarm-", 0.17)
    assert {"Name": "ModelVersion", "Value": f"{name}/2"} in alarm["Dimensions"]
    metrics = {item["MetricName"] for item in cloudwatch.list_metrics(Namespace="SageMakerGitOps")["Metrics"]}
    assert metrics == {"loss/wql", "high/threshold", "high/retrain"}
    (shown,) = cloudwatch.list_dashboards(DashboardNamePrefix=f"team-a-{name}-monitor-")["DashboardEntries"]
    lines = json.loads(cloudwatch.get_dashboard(DashboardName=shown["DashboardName"])["DashboardBody"])["widgets"][0]["properties"][
        "metrics"
    ]
    assert {line[-1]["label"] for line in lines} >= {"threshold", f"wql of {name}/1", f"wql of {name}/2", f"retrain for {name}/1"}
    assert stack.aws.picture(shown["DashboardName"]).startswith(b"\x89PNG")
    policies.delete_policy(name)
    assert cloudwatch.describe_alarms(AlarmNamePrefix=f"team-a-{name}-alarm-")["MetricAlarms"] == []
    assert cloudwatch.list_dashboards(DashboardNamePrefix=f"team-a-{name}-monitor-")["DashboardEntries"] == []
    policies.stack.quiet()
    assert stack.status(name)["model"] == f"{name}/2"
