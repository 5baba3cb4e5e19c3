"""Model Monitor: closed by default; when opened, definitions are kept and schedules run processing jobs on captured data."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import HostingKit
from service_kit import BUCKET, IMAGE, REGION, ROLE, until
from test_capture import captured, keys

from local_aws import images
from local_aws.model import operation_model

# Writes what it was given into its output; with `violate` in its environment it reports a violation, as AWS's container does.
REPORT = """
import json, os, pathlib
root = pathlib.Path("/opt/ml/processing")
found = {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}
(root / "output").mkdir(exist_ok=True)
(root / "output/report.json").write_text(json.dumps({"environment": dict(os.environ), "files": found}))
if "violate" in os.environ:
    pathlib.Path("/opt/ml/output/message").write_text("CompletedWithViolations: Job completed successfully with 1 violations.")
"""
PREPROCESSOR = "/opt/ml/processing/code/preprocessing/report.py"
KINDS = ["DataQuality", "ModelQuality", "ModelBias", "ModelExplainability"]


class Watch:
    """One test's definitions and schedules on an endpoint that captures."""

    def __init__(self, kit: HostingKit) -> None:
        self.kit = kit
        self.sagemaker = kit.client("sagemaker")
        self.script = kit.put(f"code/{kit.name()}/report.py", REPORT)

    def spec(self, kind: str) -> dict[str, Any]:
        """A container that runs the report, which comes to it as the preprocessor."""
        if kind in ("ModelBias", "ModelExplainability"):
            return {"ImageUri": IMAGE, "ConfigUri": self.script}
        called = {"ContainerEntrypoint": ["python3", PREPROCESSOR], "RecordPreprocessorSourceUri": self.script}
        return {"ImageUri": IMAGE, **called}

    def definition(self, endpoint: str, kind: str = "DataQuality", **changes: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"EndpointInput": {"EndpointName": endpoint, "LocalPath": "/opt/ml/processing/input/endpoint"}}
        if kind in ("ModelQuality", "ModelBias"):
            given["GroundTruthS3Input"] = {"S3Uri": f"s3://{BUCKET}/truth/{endpoint}"}
        output = {"S3Uri": f"s3://{BUCKET}/reports/{endpoint}", "LocalPath": "/opt/ml/processing/output"}
        return {
            "JobDefinitionName": self.kit.name("definition"),
            f"{kind}AppSpecification": self.spec(kind),
            f"{kind}JobInput": given,
            f"{kind}JobOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
            "JobResources": {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
            "RoleArn": ROLE,
        } | changes

    def defined(self, endpoint: str, kind: str = "DataQuality", **changes: Any) -> str:
        request = self.definition(endpoint, kind, **changes)
        getattr(self.sagemaker, f"create_{_snake(kind)}_job_definition")(**request)
        name: str = request["JobDefinitionName"]
        return name

    def schedule(self, definition: str, kind: str = "DataQuality", **timing: str) -> str:
        name = self.kit.name("schedule")
        config = {
            "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"} | timing,
            "MonitoringJobDefinitionName": definition,
            "MonitoringType": kind,
        }
        self.sagemaker.create_monitoring_schedule(MonitoringScheduleName=name, MonitoringScheduleConfig=config)
        until(lambda: self.described(name)["MonitoringScheduleStatus"] != "Pending", "the schedule")
        return name

    def described(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_monitoring_schedule(MonitoringScheduleName=name)
        return found

    def executions(self, name: str, **more: Any) -> list[dict[str, Any]]:
        """Oldest first."""
        found: list[dict[str, Any]] = self.sagemaker.list_monitoring_executions(MonitoringScheduleName=name, SortOrder="Ascending", **more)[
            "MonitoringExecutionSummaries"
        ]
        return found

    def ended(self, name: str, number: int = 1) -> list[dict[str, Any]]:
        """The executions, once so many have ended."""
        final = {"Completed", "CompletedWithViolations", "Failed", "Stopped"}
        until(lambda: sum(each["MonitoringExecutionStatus"] in final for each in self.executions(name)) >= number, f"{number} executions")
        return self.executions(name)

    def next_hour(self) -> datetime:
        """Let the clock pass the next full hour and the delay of executions; that hour."""
        now: datetime = self.kit.world.clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        self.kit.world.clock.advance((hour - now).total_seconds() + 61)
        return hour

    def report(self, endpoint: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kit.read(f"s3://{BUCKET}/reports/{endpoint}/report.json"))
        return found


def _snake(kind: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in kind).strip("_")


@pytest.fixture
def watch(kit: HostingKit) -> Watch:
    """Model Monitor opened."""
    kit.world.settings["monitoring.open"] = 1.0
    return Watch(kit)


@pytest.fixture
def endpoint(kit: HostingKit) -> str:
    """It has captured one invocation of this hour, with the inference id `id-1`."""
    name = captured(kit)
    # Not in the last seconds of an hour: the line must lie in the hour that ends next.
    now = kit.world.clock.now()
    if now.minute >= 58:
        kit.world.clock.advance(240)
    kit.invoke(name, "1,2", InferenceId="id-1")
    kit.world.clock.advance(kit.world.settings["endpoints.captureSeconds"])
    until(lambda: len(keys(kit, name)) == 1, "the captured line")
    return name


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_without_model_monitor_is_refused(kit: HostingKit, kind: str) -> None:
    """By default, as AWS refuses accounts that came after July 2026; nothing is there to be listed."""
    watch = Watch(kit)
    for create in (lambda: watch.defined("e", kind), lambda: watch.schedule("d", kind)):
        with pytest.raises(ClientError, match="Model Monitor is no longer open to new customers") as caught:
            create()
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert getattr(watch.sagemaker, f"list_{_snake(kind)}_job_definitions")()["JobDefinitionSummaries"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_definition_is_kept_as_it_was_created(watch: Watch, kind: str) -> None:
    """Described with every member, listed by endpoint, tagged, unique, deleted."""
    sagemaker, snake = watch.sagemaker, _snake(kind)
    request = watch.definition(watch.kit.name("endpoint"), kind, Tags=[{"Key": "team", "Value": "a"}])
    name, endpoint = request["JobDefinitionName"], request[f"{kind}JobInput"]["EndpointInput"]["EndpointName"]
    arn = getattr(sagemaker, f"create_{snake}_job_definition")(**request)["JobDefinitionArn"]
    assert arn.endswith(f":{_kebab(kind)}-job-definition/{name}")
    described = getattr(sagemaker, f"describe_{snake}_job_definition")(JobDefinitionName=name)
    assert {member: described[member] for member in request if member != "Tags"} == {m: v for m, v in request.items() if m != "Tags"}
    (summary,) = getattr(sagemaker, f"list_{snake}_job_definitions")(EndpointName=endpoint)["JobDefinitionSummaries"]
    assert (summary["MonitoringJobDefinitionName"], summary["EndpointName"]) == (name, endpoint)
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    with pytest.raises(ClientError, match="ResourceInUse"):
        getattr(sagemaker, f"create_{snake}_job_definition")(**request)
    getattr(sagemaker, f"delete_{snake}_job_definition")(JobDefinitionName=name)
    for gone in ("describe", "delete"):
        with pytest.raises(ClientError, match="ResourceNotFound"):
            getattr(sagemaker, f"{gone}_{snake}_job_definition")(JobDefinitionName=name)


def _kebab(kind: str) -> str:
    return _snake(kind).replace("_", "-")


def test_an_hourly_schedule_runs_on_the_captured_hour(watch: Watch, endpoint: str) -> None:
    """A processing job with the hour's folder and AWS's environment, under the definition's role."""
    definition = watch.defined(endpoint)
    name = watch.schedule(definition)
    hour = watch.next_hour()
    (execution,) = watch.ended(name)
    assert (execution["MonitoringExecutionStatus"], execution["ScheduledTime"]) == ("Completed", hour)
    assert (execution["EndpointName"], execution["MonitoringJobDefinitionName"], execution["MonitoringType"]) == (
        endpoint,
        definition,
        "DataQuality",
    )
    report, begin = watch.report(endpoint), hour - timedelta(hours=1)
    folder = f"input/endpoint/{endpoint}/AllTraffic/{begin.astimezone(UTC):%Y/%m/%d/%H}"
    (line,) = [text for path, text in report["files"].items() if path.startswith(folder)]
    assert json.loads(line)["eventMetadata"]["inferenceId"] == "id-1"
    expected = {
        "dataset_format": '{"sagemakerCaptureJson":{"captureIndexNames":["endpointInput","endpointOutput"]}}',
        "dataset_source": "/opt/ml/processing/input/endpoint",
        "start_time": begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "end_time": hour.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "output_path": "/opt/ml/processing/output",
        "publish_cloudwatch_metrics": "Enabled",
        "record_preprocessor_script": PREPROCESSOR,
        "sagemaker_endpoint_name": endpoint,
        "sagemaker_monitoring_schedule_name": name,
    }
    assert expected.items() <= report["environment"].items()
    job = watch.sagemaker.describe_processing_job(ProcessingJobName=execution["ProcessingJobArn"].rpartition("/")[2])
    assert (job["RoleArn"], job["ProcessingJobName"].startswith("model-monitoring-")) == (ROLE, True)
    assert watch.described(name)["LastMonitoringExecutionSummary"] == execution


def test_every_hour_is_run_once(watch: Watch, endpoint: str) -> None:
    """Hours without data fail, as on AWS; a schedule that is stopped misses its hours."""
    name = watch.schedule(watch.defined(endpoint))
    first = watch.next_hour()
    watch.ended(name)
    watch.kit.world.clock.advance(7200)
    found = watch.ended(name, 3)
    assert [each["ScheduledTime"] for each in found] == [first + timedelta(hours=hours) for hours in range(3)]
    assert [each["MonitoringExecutionStatus"] for each in found] == ["Completed", "Failed", "Failed"]
    assert found[1]["FailureReason"] == "Job inputs had no data"
    assert [each["ScheduledTime"] for each in watch.executions(name, StatusEquals="Failed")] == [
        each["ScheduledTime"] for each in found[1:]
    ]
    after = watch.executions(name, ScheduledTimeAfter=first)
    assert len(after) == 2
    watch.sagemaker.stop_monitoring_schedule(MonitoringScheduleName=name)
    assert watch.described(name)["MonitoringScheduleStatus"] == "Stopped"
    watch.next_hour()
    watch.sagemaker.start_monitoring_schedule(MonitoringScheduleName=name)
    assert watch.described(name)["MonitoringScheduleStatus"] == "Scheduled"
    last = watch.next_hour()
    assert [each["ScheduledTime"] for each in watch.ended(name, 4)[3:]] == [last]


def test_violations_ring_the_alert(watch: Watch, endpoint: str) -> None:
    """The container's exit message makes the execution CompletedWithViolations."""
    spec = watch.spec("DataQuality") | {"Environment": {"violate": "yes"}}
    name = watch.schedule(watch.defined(endpoint, DataQualityAppSpecification=spec))
    alert = {"MonitoringScheduleName": name}
    (quiet,) = watch.sagemaker.list_monitoring_alerts(**alert)["MonitoringAlertSummaries"]
    assert quiet["AlertStatus"] == "OK"
    watch.next_hour()
    (execution,) = watch.ended(name)
    assert execution["MonitoringExecutionStatus"] == "CompletedWithViolations"
    (rung,) = watch.sagemaker.list_monitoring_alerts(**alert)["MonitoringAlertSummaries"]
    assert (rung["AlertStatus"], rung["DatapointsToAlert"], rung["EvaluationPeriod"]) == ("InAlert", 1, 1)
    (change,) = watch.sagemaker.list_monitoring_alert_history(**alert)["MonitoringAlertHistory"]
    assert (change["MonitoringAlertName"], change["AlertStatus"]) == (name, "InAlert")
    changed = {**alert, "MonitoringAlertName": name, "DatapointsToAlert": 2}
    watch.sagemaker.update_monitoring_alert(**changed, EvaluationPeriod=2)
    (quiet,) = watch.sagemaker.list_monitoring_alerts(**alert)["MonitoringAlertSummaries"]
    assert quiet["AlertStatus"] == "OK"
    with pytest.raises(ClientError, match="DatapointsToAlert must be less"):
        watch.sagemaker.update_monitoring_alert(**changed, EvaluationPeriod=1)


def test_a_model_quality_job_gets_merged_data(watch: Watch, endpoint: str) -> None:
    """The captured lines that have ground truth, by inference id, beside which it stands."""
    watch.kit.invoke(endpoint, "3,4", InferenceId="id-2")
    watch.kit.world.clock.advance(watch.kit.world.settings["endpoints.captureSeconds"])
    until(lambda: len(keys(watch.kit, endpoint)) == 2, "the second line")
    hour = watch.kit.world.clock.now().strftime("%Y/%m/%d/%H")
    truth = {"groundTruthData": {"data": "0.7", "encoding": "CSV"}, "eventMetadata": {"eventId": "id-1"}, "eventVersion": "0"}
    watch.kit.put(f"truth/{endpoint}/{hour}/part.jsonl", json.dumps(truth) + "\nnot json\n")
    request = watch.definition(endpoint, "ModelQuality")
    request["ModelQualityAppSpecification"]["ProblemType"] = "Regression"
    request["ModelQualityJobInput"]["EndpointInput"]["InferenceAttribute"] = "0"
    watch.sagemaker.create_model_quality_job_definition(**request)
    name = watch.schedule(request["JobDefinitionName"], "ModelQuality")
    watch.next_hour()
    (execution,) = watch.ended(name)
    assert execution["MonitoringExecutionStatus"] == "Completed"
    report = watch.report(endpoint)
    (line,) = [json.loads(text) for path, text in report["files"].items() if path.startswith(f"input_data/{endpoint}/AllTraffic/{hour}")]
    assert (line["eventMetadata"]["inferenceId"], line["groundTruthData"]["data"]) == ("id-1", "0.7")
    wanted = {
        "analysis_type": "MODEL_QUALITY",
        "problem_type": "Regression",
        "inference_attribute": "0",
        "dataset_source": "/opt/ml/processing/input_data",
        "dataset_format": '{"sagemakerMergeJson":{"captureIndexNames":["endpointInput","endpointOutput"]}}',
    }
    assert wanted.items() <= report["environment"].items()


def test_a_bias_job_runs_the_own_command_of_its_image(watch: Watch, endpoint: str, tmp_path: Path) -> None:
    """The request has no place for another: the mapping of images names it. It finds its configuration, and the merged data."""
    script, mapping = tmp_path / "report.py", tmp_path / "images.yaml"
    script.write_text(REPORT)
    mapping.write_text(
        json.dumps({"images": [{"repositories": ["clarify-of-a-test"], "kind": "python", "command": ["python3", str(script)]}]})
    )
    images.load(mapping)
    hour = watch.kit.world.clock.now().strftime("%Y/%m/%d/%H")
    truth = {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "id-1"}, "eventVersion": "0"}
    watch.kit.put(f"truth/{endpoint}/{hour}/part.jsonl", json.dumps(truth) + "\n")
    config = watch.kit.put(f"analysis/{endpoint}/analysis_config.json", "{}")
    spec = {"ImageUri": IMAGE.replace(IMAGE.rpartition("/")[2], "clarify-of-a-test:1.0"), "ConfigUri": config}
    name = watch.schedule(watch.defined(endpoint, "ModelBias", ModelBiasAppSpecification=spec), "ModelBias")
    watch.next_hour()
    (execution,) = watch.ended(name)
    assert execution["MonitoringExecutionStatus"] == "Completed", execution.get("FailureReason")
    report = watch.report(endpoint)
    assert report["files"]["input/config/analysis_config.json"] == "{}"
    assert report["environment"]["analysis_type"] == "MODEL_BIAS"
    assert any(path.startswith(f"input_data/{endpoint}/AllTraffic/{hour}") for path in report["files"])


def test_the_baseline_lies_where_the_environment_says(watch: Watch, endpoint: str) -> None:
    """Statistics and constraints, by the names of their files."""
    folder = f"baseline/{endpoint}"
    baseline = {
        "StatisticsResource": {"S3Uri": watch.kit.put(f"{folder}/statistics.json", "S")},
        "ConstraintsResource": {"S3Uri": watch.kit.put(f"{folder}/constraints.json", "C")},
    }
    name = watch.schedule(watch.defined(endpoint, DataQualityBaselineConfig=baseline))
    watch.next_hour()
    watch.ended(name)
    report = watch.report(endpoint)
    for kind, text in (("statistics", "S"), ("constraints", "C")):
        path = report["environment"][f"baseline_{kind}"]
        assert report["files"][path.removeprefix("/opt/ml/processing/")] == text


def test_now_runs_once(watch: Watch, endpoint: str) -> None:
    """Over the span that the schedule says; an inline definition needs no other."""
    kit = watch.kit
    given = watch.definition(endpoint)
    inline = {
        "MonitoringAppSpecification": given["DataQualityAppSpecification"],
        "MonitoringInputs": [given["DataQualityJobInput"]],
        "MonitoringOutputConfig": given["DataQualityJobOutputConfig"],
        "MonitoringResources": given["JobResources"],
        "RoleArn": ROLE,
        "Environment": {"extra": "1"},
    }
    span = {"DataAnalysisStartTime": "-PT1H", "DataAnalysisEndTime": "PT0H"}
    name = kit.name("once")
    config = {"ScheduleConfig": {"ScheduleExpression": "NOW", **span}, "MonitoringJobDefinition": inline}
    watch.sagemaker.create_monitoring_schedule(MonitoringScheduleName=name, MonitoringScheduleConfig=config)
    (execution,) = watch.ended(name)
    assert (execution["MonitoringExecutionStatus"], execution["MonitoringType"]) == ("Completed", "DataQuality")
    assert watch.report(endpoint)["environment"]["extra"] == "1"
    watch.next_hour()
    assert len(watch.executions(name)) == 1


def test_executions_outlive_their_schedule(watch: Watch, endpoint: str) -> None:
    """And a definition that is gone fails the next execution, not the schedule."""
    definition = watch.defined(endpoint)
    name = watch.schedule(definition)
    watch.sagemaker.delete_data_quality_job_definition(JobDefinitionName=definition)
    watch.next_hour()
    (execution,) = watch.ended(name)
    assert (execution["MonitoringExecutionStatus"], "Could not find job definition" in execution["FailureReason"]) == ("Failed", True)
    assert watch.described(name)["MonitoringScheduleStatus"] == "Scheduled"
    watch.sagemaker.delete_monitoring_schedule(MonitoringScheduleName=name)
    assert watch.executions(name) == [execution]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        watch.described(name)


def test_schedules_are_listed_updated_and_unique(watch: Watch, endpoint: str) -> None:
    """By endpoint, type and definition."""
    definition = watch.defined(endpoint)
    name = watch.schedule(definition)
    config = watch.described(name)["MonitoringScheduleConfig"]
    with pytest.raises(ClientError, match="ResourceInUse"):
        watch.sagemaker.create_monitoring_schedule(MonitoringScheduleName=name, MonitoringScheduleConfig=config)
    for question in ({"EndpointName": endpoint}, {"MonitoringJobDefinitionName": definition}):
        (summary,) = watch.sagemaker.list_monitoring_schedules(**question)["MonitoringScheduleSummaries"]
        assert (summary["MonitoringScheduleName"], summary["MonitoringScheduleStatus"]) == (name, "Scheduled")
    assert (
        watch.sagemaker.list_monitoring_schedules(EndpointName=endpoint, MonitoringTypeEquals="ModelBias")["MonitoringScheduleSummaries"]
        == []
    )
    daily = {**config, "ScheduleConfig": {"ScheduleExpression": "cron(0 0 ? * * *)"}}
    watch.sagemaker.update_monitoring_schedule(MonitoringScheduleName=name, MonitoringScheduleConfig=daily)
    assert watch.described(name)["MonitoringScheduleConfig"] == daily


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ScheduleConfig": {"ScheduleExpression": "cron(30 * ? * * *)"}}, r"ScheduleExpression cron\(30 \* \? \* \* \*\) is invalid"),
        ({"ScheduleConfig": {"ScheduleExpression": "NOW"}}, "DataAnalysisStartTime is required with the ScheduleExpression NOW"),
        ({"ScheduleConfig": None}, "ScheduleConfig is required"),
        ({"MonitoringType": None}, "MonitoringType is required with MonitoringJobDefinitionName"),
        ({"MonitoringJobDefinitionName": None}, "Exactly one of MonitoringJobDefinition and MonitoringJobDefinitionName"),
        ({"MonitoringJobDefinitionName": "nobody"}, "Could not find job definition"),
    ],
)
def test_wrong_schedules_are_refused(watch: Watch, endpoint: str, changes: dict[str, Any], message: str) -> None:
    """Before anything is stored."""
    config: dict[str, Any] = {
        "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
        "MonitoringJobDefinitionName": watch.defined(endpoint),
        "MonitoringType": "DataQuality",
    } | changes
    config = {member: value for member, value in config.items() if value is not None}
    with pytest.raises(ClientError, match=message):
        watch.sagemaker.create_monitoring_schedule(MonitoringScheduleName="wrong", MonitoringScheduleConfig=config)
    assert not watch.sagemaker.list_monitoring_schedules(NameContains="wrong")["MonitoringScheduleSummaries"]


def test_an_endpoint_without_capture_cannot_be_watched(watch: Watch) -> None:
    """Nor one that does not exist; nor may batch transform, or a role that SageMaker may not assume."""
    kit = watch.kit
    plain = kit.serving()
    for name, message in ((plain, "data capture is not enabled"), (kit.name("none"), "Could not find endpoint")):
        with pytest.raises(ClientError, match=message):
            watch.schedule(watch.defined(name))
    batch = {"DataCapturedDestinationS3Uri": "s3://b/x", "DatasetFormat": {"Csv": {}}, "LocalPath": "/opt/ml/processing/input"}
    with pytest.raises(ClientError, match="BatchTransformInput is not supported in this local AWS"):
        watch.defined(plain, DataQualityJobInput={"BatchTransformInput": batch})
    with pytest.raises(ClientError, match="Could not assume role"):
        watch.defined(plain, RoleArn=ROLE.replace("/jobs", "/untrusted"))


def test_the_region_is_in_the_arns(watch: Watch, endpoint: str) -> None:
    """And a schedule can be tagged by its ARN."""
    name = watch.schedule(watch.defined(endpoint))
    arn = watch.described(name)["MonitoringScheduleArn"]
    assert arn.startswith(f"arn:aws:sagemaker:{REGION}:")
    watch.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert watch.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]


@pytest.mark.parametrize("operation", ["CreateMonitoringSchedule", "CreateDataQualityJobDefinition"])
def test_the_operations_are_in_the_model(operation: str) -> None:
    """botocore may drop what AWS closes: this says so."""
    assert operation_model("sagemaker", operation) is not None
