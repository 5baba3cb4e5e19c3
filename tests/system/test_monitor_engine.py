"""`engine: ModelMonitor` on the real API server and the local AWS with Model Monitor opened: refused, made, executed, edited, deleted."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
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
# As the one above for the quality of a model: the root of the mean squared error of what AWS merged, against the constraint.
QUALITY_ANALYZER = """
import base64, json, math, os, pathlib
root, squares = pathlib.Path("/opt/ml/processing"), []
for path in pathlib.Path(os.environ["dataset_source"]).rglob("*.jsonl"):
    for line in map(json.loads, path.read_text().splitlines()):
        output = line["captureData"]["endpointOutput"]
        answer = float(base64.b64decode(output["data"]) if output["encoding"] == "BASE64" else output["data"])
        squares.append((answer - float(line["groundTruthData"]["data"])) ** 2)
limit = json.loads(pathlib.Path(os.environ["baseline_constraints"]).read_text())["regression_constraints"]["rmse"]["threshold"]
rmse = math.sqrt(sum(squares) / len(squares))
violation = {"metric_name": "rmse", "constraint_check_type": "GreaterThanThreshold", "description": f"{os.environ['problem_type']} {rmse}"}
statistics = {"dataset": {"item_count": len(squares)}, "regression_metrics": {"rmse": {"value": rmse, "standard_deviation": "NaN"}}}
(root / "output").mkdir(exist_ok=True)
(root / "output/statistics.json").write_text(json.dumps(statistics))
(root / "output/constraint_violations.json").write_text(json.dumps({"violations": [violation] if rmse > limit else []}))
if rmse > limit:
    pathlib.Path("/opt/ml/output/message").write_text("CompletedWithViolations: Job completed successfully with 1 violations.")
"""
CONSTRAINTS = {"words": "0.4 exceeds 0.1", "regression_constraints": {"rmse": {"threshold": 0.3}}}
QUALITY = SPEC | {
    "groundTruth": {"s3Uri": "s3://team-a-ml/actuals/quality/", "idField": "eventId", "maxDelay": "1h"},
    "checks": [{"name": "errors", "type": "ModelQuality", "problemType": "Regression", "metrics": ["rmse"], "inferenceAttribute": "0"}],
    "alarms": [{"name": "wrong", "check": "errors", "metric": "rmse", "operator": ">", "threshold": {"initial": 0.3}}],
    "overrides": {
        "createModelQualityJobDefinition": {
            "ModelQualityAppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/preprocessing/quality.py"],
                "RecordPreprocessorSourceUri": "s3://team-a-ml/monitor/quality.py",
            }
        }
    },
}
FAIR = QUALITY | {
    "checks": [
        {"name": "parity", "type": "Bias", "facet": "region", "facetValues": ["1"], "headers": ["region", "age"], "inferenceAttribute": "0"}
    ],
    "alarms": [{"name": "unfair", "check": "parity", "operator": ">", "threshold": {"initial": 0}}],
    "overrides": None,
}
WRITES = ("ModelBiasJobDefinition", "DataQualityJobDefinition", "ModelQualityJobDefinition", "MonitoringSchedule")


class Monitors(Policies):
    """Policies of Model Monitor, and what AWS was asked of it."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.settings(**{"monitoring.open": 0, "monitoring.creatingSeconds": 0.1})
        s3 = stack.client("s3")
        for name, text in (("analyzer", ANALYZER), ("quality", QUALITY_ANALYZER)):
            s3.put_object(Bucket="team-a-ml", Key=f"monitor/{name}.py", Body=text.encode())
        for name in ("statistics.json", "constraints.json"):
            s3.put_object(Bucket="team-a-ml", Key=f"baselines/monitored/{name}", Body=json.dumps(CONSTRAINTS).encode())

    def settings(self, **given: float) -> None:
        self.stack.aws.admin("PUT", "settings", given)

    def woken(self) -> None:
        """Nothing tells of an account that was opened, nor of a clock that was moved: what is known of either is forgotten."""
        self.stack.sandbox.restart_operator()

    def next_hour(self) -> None:
        """The local AWS's clock passes the next full hour and the delay of executions."""
        self.stack.aws.admin("POST", "clock/advance", {"seconds": 3600 - self._of_hour() + 65})

    def well_within_an_hour(self) -> None:
        """No hour ends by itself in the next quarter of one: a check of an hour without data would come first."""
        if not 65 < self._of_hour() < 2700:
            self.next_hour()

    def _of_hour(self) -> int:
        """Seconds of the present hour that have passed."""
        now = datetime.fromisoformat(str(self.stack.aws.admin("GET", "clock")["now"]))
        return now.minute * 60 + now.second

    def writes(self) -> list[str]:
        """What the operator made, changed and deleted at Model Monitor, in order."""
        entries = self.stack.aws.ledger(service="sagemaker", accepted="true", limit=1_000_000)
        found = [str(entry["operation"]) for entry in entries]
        return [name for name in found if name.endswith(WRITES) and not name.startswith(("Describe", "List"))]

    def hour_of(self, name: str) -> str:
        """yyyy/mm/dd/hh of the newest captured file."""
        listed = self.stack.client("s3").list_objects_v2(Bucket="team-a-ml", Prefix=f"artifacts/team-a/{name}/capture/")
        return "/".join(max(item["Key"] for item in listed["Contents"]).split("/")[-5:-1])

    def truth(self, folder: str, events: Sequence[str], value: float) -> None:
        """The ground truth of those requests, in AWS's layout."""
        lines = [
            json.dumps(
                {"groundTruthData": {"data": str(value), "encoding": "CSV"}, "eventMetadata": {"eventId": event}, "eventVersion": "0"}
            )
            for event in events
        ]
        self.stack.client("s3").put_object(Bucket="team-a-ml", Key=f"{folder}/part.jsonl", Body="\n".join(lines).encode())

    def eventually(self, holds: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, what
            time.sleep(0.5)


@pytest.fixture(scope="module")
def monitors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitors]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        images = json.loads(sandbox.kubectl("get", "tenant", "team-a", "-o", "json"))["spec"]["allow"]["images"]
        images += [f"{account}.dkr.ecr.eu-central-1.amazonaws.com/*" for account in ("048819808253", "017069133835")]
        sandbox.kubectl("patch", "tenant", "team-a", "--type=merge", "-p", json.dumps({"spec": {"allow": {"images": images}}}))
        yield Monitors(Stack(sandbox))


@pytest.fixture(autouse=True)
def within_an_hour(monitors: Monitors) -> None:
    monitors.well_within_an_hour()


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
    asked = ("mp", "watched", "-n", monitors.stack.namespace, "sagemaker-gitops.dev/check-now")
    monitors.stack.sandbox.kubectl("annotate", *asked[:-1], f"{asked[-1]}=please")
    in_vain = monitors.until_policy("watched", lambda status: bool(condition(status, "CheckedNow")))
    assert condition(in_vain, "CheckedNow")["reason"] == "NotWithModelMonitor"
    monitors.stack.sandbox.kubectl("annotate", *asked[:-1], f"{asked[-1]}-")
    monitors.until_policy("watched", lambda status: not condition(status, "CheckedNow"))
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
@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_quality_of_a_model_is_checked_by_model_monitor(monitors: Monitors) -> None:
    """An hour is looked at when its truth has had the hour that it takes: the one before is no data, then the error is a breach."""
    monitors.settings(**{"monitoring.open": 1})
    before = len(monitors.writes())
    monitors.captured("quality", 0.25)
    monitors.policy("quality", **QUALITY)
    monitors.until_policy("quality", lambda status: status.get("phase") == "Scheduled" and bool(status.get("jobDefinition")), 120)
    made = ["CreateModelQualityJobDefinition", "CreateMonitoringSchedule"]
    assert monitors.writes()[before:] == made

    events = [uuid.uuid4().hex for _ in range(3)]
    monitors.identified("quality", events)
    monitors.truth(f"actuals/quality/{monitors.hour_of('quality')}", events[:2], 0.75)
    monitors.next_hour()
    monitors.woken()
    status = monitors.until_policy("quality", lambda found: bool(found.get("lastCheck")), 120)
    assert (status["lastCheck"]["state"], status["phase"]) == ("NoData", "NoData")
    first = status["lastCheck"]["moment"]

    monitors.next_hour()
    monitors.woken()
    status = monitors.until_policy("quality", lambda found: (found.get("lastCheck") or {}).get("moment") != first, 120)
    last = status["lastCheck"]
    assert (last["state"], last["data"]["captured"], status["phase"], status["metric"]) == ("Succeeded", 2, "Breached", "errors=0.5")
    assert last["window"]["end"] == first
    assert [(item["name"], float(item["value"])) for item in last["metrics"]] == [("violations", 1.0), ("rmse", 0.5)]
    (violation,) = status["violations"]
    assert (violation["feature"], violation["description"]) == ("rmse", "Regression 0.5")

    # Another type of check: the schedule stays, its definition goes.
    monitors.policy("quality", **(SPEC | {"deletionPolicy": "Delete"}))
    edited = [*made, "CreateDataQualityJobDefinition", "UpdateMonitoringSchedule", "DeleteModelQualityJobDefinition"]
    monitors.eventually(lambda: monitors.writes()[before:] == edited, "the edit")
    monitors.stack.sandbox.kubectl("delete", "mp", "quality", "-n", monitors.stack.namespace, "--wait=false")
    gone = [*edited, "DeleteMonitoringSchedule", "DeleteDataQualityJobDefinition"]
    left = ("get", "mp", "quality", "-n", monitors.stack.namespace, "--ignore-not-found")
    monitors.eventually(lambda: not monitors.stack.sandbox.kubectl(*left), "the finalizer", 240)
    assert monitors.writes()[before:] == gone


@pytest.mark.capability("G1")
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_definition_of_bias_is_kept_as_the_policy_says(monitors: Monitors) -> None:
    """What Clarify is asked lies where the definition says; another group is another definition; deletion leaves nothing."""
    monitors.settings(**{"monitoring.open": 1})
    before, sagemaker = len(monitors.writes()), monitors.stack.client("sagemaker")
    monitors.captured("fair", 1.0)
    monitors.policy("fair", **FAIR)

    def asked(status: dict[str, Any]) -> Any:
        found = sagemaker.describe_model_bias_job_definition(JobDefinitionName=status["jobDefinition"])["ModelBiasAppSpecification"]
        key = str(found["ConfigUri"]).removeprefix("s3://team-a-ml/")
        return json.loads(monitors.stack.client("s3").get_object(Bucket="team-a-ml", Key=key)["Body"].read())["facet"]

    status = monitors.until_policy("fair", lambda found: found.get("phase") == "Scheduled" and bool(found.get("jobDefinition")), 120)
    made = ["CreateModelBiasJobDefinition", "CreateMonitoringSchedule"]
    assert monitors.writes()[before:] == made
    assert asked(status) == [{"name_or_index": "region", "value_or_threshold": [1]}]

    monitors.policy("fair", **(FAIR | {"checks": [FAIR["checks"][0] | {"facetValues": ["2"]}]}))
    edited = [*made, "CreateModelBiasJobDefinition", "UpdateMonitoringSchedule", "DeleteModelBiasJobDefinition"]
    monitors.eventually(lambda: monitors.writes()[before:] == edited, "the edit")
    first = status["jobDefinition"]
    status = monitors.until_policy("fair", lambda found: found.get("jobDefinition") not in (None, first), 120)
    assert asked(status) == [{"name_or_index": "region", "value_or_threshold": [2]}]

    monitors.stack.sandbox.kubectl("delete", "mp", "fair", "-n", monitors.stack.namespace, "--wait=false")
    left = ("get", "mp", "fair", "-n", monitors.stack.namespace, "--ignore-not-found")
    monitors.eventually(lambda: not monitors.stack.sandbox.kubectl(*left), "the finalizer", 240)
    assert monitors.writes()[before:] == [*edited, "DeleteMonitoringSchedule", "DeleteModelBiasJobDefinition"]


@pytest.mark.capability("G1")
def test_what_model_monitor_has_no_place_for_is_refused_by_the_api_server(monitors: Monitors) -> None:
    """With the field and the fix, in the words of lint."""
    with pytest.raises(Exception, match="leave engine out"):
        monitors.policy("refused", **(SPEC | {"window": "1h"}))
    with pytest.raises(Exception, match="runs on the hour"):
        monitors.policy("refused", **(SPEC | {"schedule": {"cron": "30 * * * *"}}))
