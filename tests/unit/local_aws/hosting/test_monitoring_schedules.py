"""Model Monitor: closed by default; when opened, definitions are kept and schedules run processing jobs on captured data."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import HostingKit
from monitoring_kit import PREPROCESSOR, Watch, snake
from service_kit import REGION, ROLE

from local_aws.model import operation_model

KINDS = ["DataQuality", "ModelQuality", "ModelBias", "ModelExplainability"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_account_without_model_monitor_is_refused(kit: HostingKit, kind: str) -> None:
    """By default, as AWS refuses accounts that came after July 2026; nothing more is there to be listed."""
    watch = Watch(kit)
    listed = getattr(watch.sagemaker, f"list_{snake(kind)}_job_definitions")
    before = listed()["JobDefinitionSummaries"]
    for create in (lambda: watch.defined("e", kind), lambda: watch.schedule("d", kind)):
        with pytest.raises(ClientError, match="Model Monitor is no longer open to new customers") as caught:
            create()
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert listed()["JobDefinitionSummaries"] == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_definition_is_kept_as_it_was_created(watch: Watch, kind: str) -> None:
    """Described with every member, listed by endpoint, tagged, unique, deleted."""
    sagemaker, words = watch.sagemaker, snake(kind)
    request = watch.definition(watch.kit.name("endpoint"), kind, Tags=[{"Key": "team", "Value": "a"}])
    name, endpoint = request["JobDefinitionName"], request[f"{kind}JobInput"]["EndpointInput"]["EndpointName"]
    arn = getattr(sagemaker, f"create_{words}_job_definition")(**request)["JobDefinitionArn"]
    assert arn.endswith(f":{_kebab(kind)}-job-definition/{name}")
    described = getattr(sagemaker, f"describe_{words}_job_definition")(JobDefinitionName=name)
    assert {member: described[member] for member in request if member != "Tags"} == {m: v for m, v in request.items() if m != "Tags"}
    (summary,) = getattr(sagemaker, f"list_{words}_job_definitions")(EndpointName=endpoint)["JobDefinitionSummaries"]
    assert (summary["MonitoringJobDefinitionName"], summary["EndpointName"]) == (name, endpoint)
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    with pytest.raises(ClientError, match="ResourceInUse"):
        getattr(sagemaker, f"create_{words}_job_definition")(**request)
    getattr(sagemaker, f"delete_{words}_job_definition")(JobDefinitionName=name)
    for gone in ("describe", "delete"):
        with pytest.raises(ClientError, match="ResourceNotFound"):
            getattr(sagemaker, f"{gone}_{words}_job_definition")(JobDefinitionName=name)


def _kebab(kind: str) -> str:
    return snake(kind).replace("_", "-")


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
