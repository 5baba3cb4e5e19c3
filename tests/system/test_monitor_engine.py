"""`engine: ModelMonitor` on the real API server and the local AWS with Model Monitor opened: refused, made, executed, edited, deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from sagemaker_gitops.cli.sandbox import Sandbox
from tests.system.endpoints import IMAGE
from tests.system.policies import Policies
from tests.system.stack import Stack, condition

SCRIPT, BASELINE = "s3://team-a-ml/monitor/analyzer.py", "s3://team-a-ml/baselines/monitored/"
# Stands for AWS's analyzer, to which it comes as the preprocessor: counts the captured lines, finds one violation.
ANALYZER = """
import json, os, pathlib
root = pathlib.Path("/opt/ml/processing")
lines = sum(len(path.read_text().splitlines()) for path in (root / "input/endpoint").rglob("*.jsonl"))
constraints = json.loads(pathlib.Path(os.environ["baseline_constraints"]).read_text())
violation = {"feature_name": "amount", "constraint_check_type": "baseline_drift_check", "description": constraints["words"]}
(root / "output").mkdir(exist_ok=True)
(root / "output/statistics.json").write_text(json.dumps({"dataset": {"item_count": lines}}))
(root / "output/constraint_violations.json").write_text(json.dumps({"violations": [violation]}))
pathlib.Path("/opt/ml/output/message").write_text("CompletedWithViolations: Job completed successfully with 1 violations.")
"""
CONTAINER = {
    "ImageUri": IMAGE,
    "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/preprocessing/analyzer.py"],
    "RecordPreprocessorSourceUri": SCRIPT,
}
SPEC: dict[str, Any] = {
    "engine": "ModelMonitor",
    "schedule": {"cron": "0 * * * *"},
    "window": None,
    "source": None,
    "baseline": {"s3Uri": BASELINE},
    "checks": [{"name": "inputs", "type": "DataQuality"}],
    "alarms": [{"name": "drifted", "check": "inputs", "operator": ">", "threshold": {"initial": 0}}],
    "overrides": {"createDataQualityJobDefinition": {"DataQualityAppSpecification": CONTAINER}},
}
WRITES = ("DataQualityJobDefinition", "MonitoringSchedule")


class Monitors(Policies):
    """Policies of Model Monitor, and what AWS was asked of it."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.settings(**{"monitoring.open": 0, "monitoring.creatingSeconds": 0.1})
        s3 = stack.client("s3")
        s3.put_object(Bucket="team-a-ml", Key="monitor/analyzer.py", Body=ANALYZER.encode())
        for name in ("statistics.json", "constraints.json"):
            s3.put_object(Bucket="team-a-ml", Key=f"baselines/monitored/{name}", Body=b'{"words": "0.4 exceeds 0.1"}')

    def settings(self, **given: float) -> None:
        self.stack.aws.admin("PUT", "settings", given)

    def woken(self) -> None:
        """Nothing tells of an account that was opened, nor of a clock that was moved: what is known of either is forgotten."""
        self.stack.sandbox.restart_operator()

    def next_hour(self) -> None:
        """The local AWS's clock passes the next full hour and the delay of executions."""
        now = datetime.fromisoformat(str(self.stack.aws.admin("GET", "clock")["now"]))
        self.stack.aws.admin("POST", "clock/advance", {"seconds": 3600 - (now.minute * 60 + now.second) + 65})

    def writes(self) -> list[str]:
        """What the operator made, changed and deleted at Model Monitor, in order."""
        entries = self.stack.aws.ledger(service="sagemaker", accepted="true", limit=1_000_000)
        found = [str(entry["operation"]) for entry in entries]
        return [name for name in found if name.endswith(WRITES) and not name.startswith(("Describe", "List"))]

    def eventually(self, holds: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, what
            time.sleep(0.5)


@pytest.fixture(scope="module")
def monitors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitors]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        images = json.loads(sandbox.kubectl("get", "tenant", "team-a", "-o", "json"))["spec"]["allow"]["images"]
        images.append("048819808253.dkr.ecr.eu-central-1.amazonaws.com/*")
        sandbox.kubectl("patch", "tenant", "team-a", "--type=merge", "-p", json.dumps({"spec": {"allow": {"images": images}}}))
        yield Monitors(Stack(sandbox))


@pytest.mark.capability("G1")
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_schedule_of_model_monitor_lives_as_the_policy_says(monitors: Monitors) -> None:
    """A closed account is told the way out; an open one gets one definition and one schedule, whose violations are a breach."""
    monitors.captured("watched", 0.25)
    monitors.policy("watched", **SPEC)
    refused = monitors.until_policy("watched", lambda status: bool(condition(status, "Stalled")))
    assert "leave spec.engine out" in condition(refused, "Stalled")["message"]
    assert monitors.writes() == []

    monitors.settings(**{"monitoring.open": 1})
    monitors.woken()
    monitors.until_policy("watched", lambda status: status.get("phase") == "Scheduled" and bool(status.get("jobDefinition")), 120)
    made = ["CreateDataQualityJobDefinition", "CreateMonitoringSchedule"]
    assert monitors.writes() == made

    monitors.ask_times("watched", 3)
    monitors.next_hour()
    monitors.woken()
    status = monitors.until_policy("watched", lambda found: bool(found.get("lastCheck")), 120)
    assert (status["lastCheck"]["state"], status["lastCheck"]["data"]["captured"], status["phase"]) == ("Succeeded", 3, "Breached")
    (violation,) = status["violations"]
    assert (violation["feature"], violation["description"]) == ("amount", "0.4 exceeds 0.1")

    monitors.policy("watched", **(SPEC | {"resources": {"instanceType": "ml.m5.xlarge"}}))
    edited = [*made, "CreateDataQualityJobDefinition", "UpdateMonitoringSchedule", "DeleteDataQualityJobDefinition"]
    monitors.eventually(lambda: monitors.writes() == edited, "the edit")

    monitors.stack.sandbox.kubectl("delete", "mp", "watched", "-n", monitors.stack.namespace, "--wait=false")
    gone = [*edited, "DeleteMonitoringSchedule", "DeleteDataQualityJobDefinition"]
    monitors.eventually(lambda: monitors.writes() == gone, "the deletion")
    left = ("get", "mp", "watched", "-n", monitors.stack.namespace, "--ignore-not-found")
    monitors.eventually(lambda: not monitors.stack.sandbox.kubectl(*left), "the finalizer", 240)
    assert monitors.writes() == gone


@pytest.mark.capability("G1")
def test_what_model_monitor_has_no_place_for_is_refused_by_the_api_server(monitors: Monitors) -> None:
    """With the field and the fix, in the words of lint."""
    with pytest.raises(Exception, match="leave engine out"):
        monitors.policy("refused", **(SPEC | {"window": "1h"}))
    with pytest.raises(Exception, match="runs on the hour"):
        monitors.policy("refused", **(SPEC | {"schedule": {"cron": "30 * * * *"}}))
